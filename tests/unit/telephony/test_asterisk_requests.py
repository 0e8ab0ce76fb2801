"""Which actions leave at once, and as which requests."""

from callcore.call import actions as act
from callcore.telephony.ari_models import RESTResponse
from callcore.telephony.asterisk_events import Translator
from callcore.telephony.asterisk_requests import Planner, Progress, Request


def planner(**leg):
    translator = Translator("node")
    translator.dialling("ch1")
    for name, value in leg.items():
        setattr(translator.legs["ch1"], name, value)
    return Planner(translator)


def test_music_ends_before_a_join():
    """In a bridge it would go on, mixed in; that it ended by itself is no failure."""
    plan = planner(music=True).plan(act.Join(call="c", bridge="b1", channels=("ch1",)))
    assert [(r.method, r.uri, r.harmless) for r in plan] == [
        ("DELETE", "channels/ch1/moh", (404,)),
        ("POST", "bridges/b1/addChannel", ()),
    ]


def test_a_supervisors_keys_are_not_passed_on():
    join = act.Join(call="c", bridge="b1", channels=("ch1",), keeps_keys=True)
    assert [r.body for r in planner().plan(join)] == [{"channel": ["ch1"], "absorbDTMF": True}]


def test_what_may_block_has_no_plan():
    """Something plays on the channel, it is not known what it does, or it is not ours at all."""
    join = act.Join(call="c", bridge="b1", channels=("ch1",))
    assert planner(playbacks=("p1",)).plan(join) is None
    assert planner(unsure=True).plan(act.Answer(call="c", channel="ch1")) is None
    assert planner(recording="r1").plan(act.StartMusic(call="c", channel="ch1")) is None
    assert planner().plan(act.Answer(call="c", channel="stranger")) is None
    assert planner().plan(act.SendDigits(call="c", channel="ch1", digits="1")) is None


def test_the_first_problem_is_told_after_the_last_reply():
    """Harmless refusals count as done."""
    told = []
    progress = Progress(3, told.append)
    stop = Request("DELETE", "channels/a/moh", harmless=(404,))
    join = Request("POST", "bridges/b/addChannel")
    progress.replied(stop, RESTResponse(request_id="1", status_code=404))
    progress.replied(join, RESTResponse(request_id="2", status_code=409))
    assert told == []
    progress.replied(stop, RESTResponse(request_id="3", status_code=204))
    assert [problem.status for problem in told] == [409]


def test_listening_ends_as_channel_and_bridge_of_its_own():
    """Either may be gone already: with the one listened to, or before it came."""
    plan = planner().plan(act.StopListening(call="c", listening="l1", channel="ch1"))
    assert [(r.method, r.uri, r.harmless) for r in plan] == [
        ("POST", "bridges/l1/removeChannel", (400, 404, 409, 422)),
        ("DELETE", "channels/l1", (404,)),
        ("DELETE", "bridges/l1", (404,)),
    ]
    plan = planner().plan(act.StopListening(call="c", listening="l1"))
    assert [r.uri for r in plan] == ["channels/l1", "bridges/l1"], "nobody is left in it"
    assert planner().plan(act.Listen(call="c", listening="l1", channel="ch1", to="x")) is None
