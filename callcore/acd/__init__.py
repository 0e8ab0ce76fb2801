"""The distributor: which agent is offered which contact, and when."""
