"""The embedded SIP stack: pjsua2 in this process, behind the same door as Asterisk.

`stack.py` owns the thread on which all objects of pjsua2 live; `backend.py` is what the dispatcher
sees. Nothing here is imported unless the settings ask for it: pjsua2 is built by `make pjsua2`.
"""
