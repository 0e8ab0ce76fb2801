/* What callcore hears of pjsua before pjsua2 does. */
#ifndef CALLCORE_PJSIP_HOOKS_H
#define CALLCORE_PJSIP_HOOKS_H

/* Once pjsua runs; 0 or pjlib's status. */
int hooks_open(void);
void hooks_close(void);

#endif
