"""Which Asterisk modules a managed instance loads, and nothing else.

`bridge_native_rtp` hands packets from leg to leg below the channels. Without it an unrecorded talk
costs Asterisk 0.54 instead of 0.35 % of a core (50 talks, three pairs of runs) and a short call in
`callcore bench calls` 18 instead of 12 ms; recorded calls do not use it. It has a fault: 28 of 150
attended transfers that Asterisk 22.10 made by itself right after a hold left one side in silence,
none without it. callcore's transfers move channels between bridges and were never seen to suffer;
so it stays, and the fault can show only while callcore is away and the fallback queue serves.
"""

from __future__ import annotations

from pathlib import Path

#: Module names by what they are for. A name that the installed Asterisk lacks is left out.
MODULES: dict[str, tuple[str, ...]] = {
    "configuration and storage": (
        "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_sorcery_memory_cache",
    ),
    "clock, keys, HTTP": (
        "res_timing_timerfd", "res_crypto", "res_http_websocket", "res_websocket_client",
    ),
    "SIP": (
        "res_pjproject", "res_pjsip", "res_pjsip_session", "chan_pjsip", "res_pjsip_sdp_rtp",
        "res_pjsip_authenticator_digest", "res_pjsip_outbound_authenticator_digest",
        "res_pjsip_registrar", "res_pjsip_outbound_registration",
        "res_pjsip_endpoint_identifier_user", "res_pjsip_endpoint_identifier_ip",
        "res_pjsip_caller_id", "res_pjsip_diversion", "res_pjsip_dlg_options",
        "res_pjsip_dtmf_info", "res_pjsip_empty_info", "res_pjsip_header_funcs",
        "res_pjsip_nat", "res_pjsip_path", "res_pjsip_refer", "res_pjsip_rfc3326",
        "res_pjsip_rfc3329", "res_pjsip_sips_contact", "res_pjsip_acl", "res_pjsip_logger",
        "res_pjsip_maintenance", "res_pjsip_pubsub",
    ),
    "RTP and codecs": (
        "res_rtp_asterisk", "res_rtp_multicast", "res_srtp", "chan_rtp",
        "codec_ulaw", "codec_alaw", "codec_a_mu", "codec_g722", "codec_resample",
        "codec_opus", "codec_opus_open_source",
        "res_format_attr_opus", "format_wav", "format_sln", "format_pcm",
        "format_ogg_opus", "format_ogg_opus_open_source",
    ),
    "ARI": (
        "res_stasis", "res_stasis_answer", "res_stasis_playback", "res_stasis_recording",
        "res_stasis_snoop", "res_stasis_device_state", "app_stasis",
        "res_ari", "res_ari_model", "res_ari_applications", "res_ari_asterisk", "res_ari_bridges",
        "res_ari_channels", "res_ari_device_states", "res_ari_endpoints", "res_ari_events",
        "res_ari_playbacks", "res_ari_recordings", "res_ari_sounds",
    ),
    "bridges": (
        "bridge_simple", "bridge_softmix", "bridge_native_rtp", "bridge_holding",
        "bridge_builtin_features",
    ),
    "applications": (
        "app_mixmonitor", "app_queue", "app_chanspy", "app_playback", "app_dial", "app_echo",
        "app_verbose", "app_stack", "app_senddtmf", "app_playtones", "app_milliwatt",
        "res_musiconhold", "pbx_config", "res_manager_devicestate",
    ),
    "functions": (
        "func_callerid", "func_channel", "func_global", "func_hangupcause", "func_jitterbuffer",
        "func_logic", "func_math", "func_pjsip_aor", "func_pjsip_contact", "func_pjsip_endpoint",
        "func_strings", "func_talkdetect", "func_timeout", "func_volume", "func_devstate",
        "func_groupcount", "func_base64",
    ),
}  # fmt: skip

#: Without these nothing works: Asterisk refuses to start rather than run half.
REQUIRED = ("res_pjsip", "chan_pjsip", "res_stasis", "app_stasis", "res_ari_channels", "pbx_config")


def modules_conf(module_dir: Path) -> str:
    """modules.conf with the wanted modules that `module_dir` has."""
    present = {entry.name for entry in module_dir.glob("*.so")}
    lines = ["; Only what callcore uses.", "[modules]", "autoload = no"]
    for purpose, names in MODULES.items():
        lines += ["", f"; {purpose}"]
        for name in names:
            if name in REQUIRED:
                lines.append(f"require = {name}.so")
            elif not present or f"{name}.so" in present:
                lines.append(f"load = {name}.so")
    return "\n".join(lines) + "\n"


def missing_modules(module_dir: Path) -> list[str]:
    """Required modules that the installed Asterisk lacks."""
    return [name for name in REQUIRED if not (module_dir / f"{name}.so").exists()]
