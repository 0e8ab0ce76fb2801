"""One SIP dialog: its identifiers and the requests inside it (RFC 3261 §12)."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, field

from callcore.lab.sip import SipMessage, parameter, parse_name_address
from callcore.lab.transport import Address


@dataclass
class Dialog:
    """Both ends as From/To values, the target, the route and our sequence number."""

    call_id: str
    local: str
    remote: str
    target: str
    contact: str
    destination: Address
    """Where packets go: the flow the dialog began on, as behind an outbound proxy."""
    routes: list[str] = field(default_factory=list)
    sequence: int = 1

    @property
    def local_tag(self) -> str:
        return parameter(parse_name_address(self.local).parameters, "tag")

    @property
    def remote_tag(self) -> str:
        return parameter(parse_name_address(self.remote).parameters, "tag")

    def learn_from_answer(self, answer: SipMessage) -> None:
        """A response to our INVITE names the other end, its target and the route."""
        self.remote = answer.get("to")
        contact = answer.get("contact")
        if contact:
            self.target = parse_name_address(contact).uri
        if not self.routes:
            self.routes = list(reversed(answer.all("record-route")))

    def learn_target(self, request: SipMessage) -> None:
        """Target refresh by re-INVITE or UPDATE."""
        contact = request.get("contact")
        if contact:
            self.target = parse_name_address(contact).uri

    def request(self, method: str, via: str, sequence: int | None = None) -> SipMessage:
        """A request inside the dialog; ACK and CANCEL repeat the INVITE's sequence number."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        message = SipMessage(method=method, uri=self.target)
        message.add("Via", via)
        message.add("Max-Forwards", "70")
        for route in self.routes:
            message.add("Route", route)
        message.add("From", self.local)
        message.add("To", self.remote)
        message.add("Call-ID", self.call_id)
        message.add("CSeq", f"{sequence} {method}")
        message.add("Contact", self.contact)
        message.add("User-Agent", "callcore-lab")
        return message

    def replaces(self) -> str:
        """The Replaces value another party uses to take over our place (RFC 3891 §3),
        escaped for use inside a Refer-To URI. The tags are seen from the receiver."""
        value = f"{self.call_id};to-tag={self.remote_tag};from-tag={self.local_tag}"
        return urllib.parse.quote(value, safe="")


def answering_dialog(
    invite: SipMessage, local_tag: str, contact: str, destination: Address
) -> Dialog:
    """The dialog an incoming INVITE opens."""
    contact_value = invite.get("contact")
    return Dialog(
        call_id=invite.call_id,
        local=f"{invite.get('to')};tag={local_tag}",
        remote=invite.get("from"),
        target=parse_name_address(contact_value).uri if contact_value else invite.uri,
        contact=contact,
        destination=destination,
        routes=invite.all("record-route"),
    )
