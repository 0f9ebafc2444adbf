# watch-notified.py SOCKET FILE: writes down, a line each, what a service tells its manager.
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
with open(sys.argv[2], "w", buffering=1) as out:
    s.bind(sys.argv[1])
    while True:
        out.write(s.recv(65536).decode() + "\n")
