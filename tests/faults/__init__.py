"""The fault matrix: every fault at every step, for a client on real sockets, and what it must not lead to.

catalogue and sequences (data) -> layer (a server in front of the sandbox) -> clients -> judge -> report
"""
