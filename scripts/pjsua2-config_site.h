/* Limits and habits of callcore's pjproject: scripts/build-pjsua2 puts this file in as pj/config_site.h. */

/* A caller and an agent are two calls; 128 lines of talk with as many waiting. */
#define PJSUA_MAX_CALLS 512
#define PJSUA_MAX_ACC 128
#define PJSUA_MAX_PLAYERS 1024
#define PJSUA_MAX_RECORDERS 64
#define PJSUA_MAX_CONF_PORTS 4096
#define PJ_IOQUEUE_MAX_HANDLES 4096

/* A transaction stays for 32 s (RFC 3261, timers B, F, H): 10 calls/s leave some 1,300 behind. */
#define PJSIP_MAX_TSX_COUNT 8191
#define PJSIP_MAX_DIALOG_COUNT 2047
#define PJSIP_UDP_SO_RCVBUF_SIZE 4194304
#define PJSIP_UDP_SO_SNDBUF_SIZE 1048576

/* callcore asks for its own log lines; tracing inside loops costs time. */
#define PJ_LOG_MAX_LEVEL 4

/* What pjproject writes about a bad argument is for its developers: the call returns an error. */
#define PJ_ENABLE_EXTRA_CHECK 1
