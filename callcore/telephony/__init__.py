"""The doors to telephony: Asterisk over ARI and AMI, and the simulated back end."""
