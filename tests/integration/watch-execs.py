# watch-execs.py FILE: counts programs that start on this host until SIGINT; writes "0" when it hears, the count at the end.
import os, signal, socket, struct, sys
s = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 11)
s.bind((0, 1))
s.send(struct.pack("=IHHII", 40, 3, 0, 0, 0) + struct.pack("=IIIIHH", 1, 1, 0, 0, 4, 0) + struct.pack("=I", 1))
count = 0
def end(*_):
    with open(sys.argv[1], "a") as out: out.write(f"{count}\n")
    os._exit(0)
signal.signal(signal.SIGINT, end)
with open(sys.argv[1], "w") as out: out.write("0\n")
while True:
    try:
        if struct.unpack_from("=I", s.recv(4096), 36)[0] == 2: count += 1
    except OSError:
        count += 1000    # more than the socket held
