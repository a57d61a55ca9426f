"""The load generator behind ``lightmill bench``: real peers that measure any WebRTC server.

The clip is encoded once and its packets are only sent, so that the client costs little; every
picture carries its number, so that latency is measured from picture to picture. Nothing here
but the packet parser comes from the server, and the server imports nothing from here.
"""
