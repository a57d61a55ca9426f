"""Run inside a network namespace: a NAT that maps one outer UDP port to one inner address."""

from __future__ import annotations

import select
import socket
import sys

outer_host, outer_port, inner_host, inner_port = sys.argv[1:]
outer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
outer.bind((outer_host, int(outer_port)))
mapped: dict[tuple[str, int], socket.socket] = {}
print("ready", flush=True)
while True:
    for sock in select.select([outer, *mapped.values()], [], [])[0]:
        if sock is outer:
            data, client = outer.recvfrom(2048)
            if client not in mapped:
                mapped[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                mapped[client].connect((inner_host, int(inner_port)))
            mapped[client].send(data)
        else:
            client = next(one for one, inner in mapped.items() if inner is sock)
            outer.sendto(sock.recv(2048), client)
