"""One line of a queue_log, as Asterisk's app_queue writes it.

QueueMetrics, Asternic and their like read this format:
``epoch|call|queue|agent|EVENT|parameters``. Events and parameters are those of Asterisk 22
(docs.asterisk.org, "Queue Logs", and the calls of ``ast_queue_log`` in app_queue.c):

    QUEUESTART                                       callcore started
    ENTERQUEUE      url|caller|position              the URL is empty
    CONNECT         hold|channel|ring                seconds waited, seconds the phone rang
    RINGNOANSWER    ms      RINGCANCELED  ms         the agent did not answer; the caller left
    AGENTDUMP                                        the agent left during the announcement
    ABANDON, EXITWITHTIMEOUT, EXITEMPTY              position|first position|wait
    EXITWITHKEY     key|position|first position|wait
    WITHDRAW        position|first position|wait|why an operator or a rule took the caller out
    COMPLETEAGENT, COMPLETECALLER                    hold|talk|first position
    BLINDTRANSFER   extension|context|hold|talk|first position
    ATTENDEDTRANSFER  BRIDGE|call|hold|talk|first position
    AGENTLOGIN      channel    AGENTLOGOFF  channel|seconds
    PAUSEALL, UNPAUSEALL (queue NONE), and PAUSE, UNPAUSE for each queue   reason

app_queue writes nothing of callers it turns away at the door; here they leave a line as Wazo writes
it: FULL, CLOSED, JOINEMPTY, DIVERT_HOLDTIME. Where an agent answers and hears an announcement
alone, `CONNECT` follows when caller and agent hear each other; a caller who hangs up or is taken
out meanwhile leaves a line that names the agent, as in app_queue: that contact was answered.

What comes from outside is data: a bar or anything that does not print becomes ``_``.
"""

from __future__ import annotations

from callcore.types import AgentId

NOBODY = "NONE"
LONGEST = 80


def line(at: float, call: str, queue: str, agent: str, name: str, *parameters: object) -> str:
    """One line; app_queue writes a bar after the event even where it has no parameters."""
    fields = [str(int(at)), *(_printable(text) or NOBODY for text in (call, queue, agent)), name]
    return "|".join(fields + [_printable(str(value)) for value in parameters or ("",)])


def member(agent: AgentId) -> str:
    """An agent as queue_log readers know agents."""
    return f"Agent/{agent}"


def _printable(text: str) -> str:
    if text.isalnum():
        return text[:LONGEST]
    return "".join(c if c.isprintable() and c != "|" else "_" for c in text[:LONGEST])
