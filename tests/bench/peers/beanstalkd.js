// The protocol itself, a connection a client; a batch is as many commands in one write. `where` is the port.
const net = require("net");
const job = Buffer.from(JSON.stringify(require("./job.js")));

class Connection {
  constructor(port) {
    this.rest = Buffer.alloc(0);
    this.waiting = [];
    this.socket = net.connect(port, "127.0.0.1").setNoDelay(true);
    this.socket.on("data", (data) => this.take(data));
    this.socket.on("error", (error) => { throw error; });
  }
  /// Sends the commands and gives the words of each answer.
  ask(commands) {
    return new Promise((resolve) => {
      this.waiting.push({ left: commands.length, answers: [], resolve });
      this.socket.write(commands.join(""));
    });
  }
  take(data) {
    this.rest = this.rest.length > 0 ? Buffer.concat([this.rest, data]) : data;
    let at = 0;
    for (;;) {
      const end = this.rest.indexOf("\r\n", at);
      if (end < 0) break;
      const words = this.rest.toString("latin1", at, end).split(" ");
      const next = end + 2 + (words[0] === "RESERVED" ? Number(words[2]) + 2 : 0);
      if (this.rest.length < next) break;
      at = next;
      const first = this.waiting[0];
      if (!["INSERTED", "RESERVED", "TOUCHED", "DELETED"].includes(words[0])) throw new Error(words.join(" "));
      first.answers.push(words);
      if (--first.left > 0) continue;
      this.waiting.shift();
      first.resolve(first.answers);
    }
    this.rest = this.rest.subarray(at);
  }
}

exports.open = async (where, { clients }) => {
  const connections = Array.from({ length: clients }, () => new Connection(Number(where)));
  const ask = (client, commands) => connections[client].ask(commands);
  return {
    submit: (client, count) => ask(client, Array(count).fill(`put 0 0 60 ${job.length}\r\n${job}\r\n`)),
    claim: async (client, count) => (await ask(client, Array(count).fill("reserve\r\n"))).map((words) => words[1]),
    heartbeat: (client, claimed) => ask(client, claimed.map((id) => `touch ${id}\r\n`)),
    complete: (client, claimed) => ask(client, claimed.map((id) => `delete ${id}\r\n`)),
    close: () => connections.forEach((one) => one.socket.destroy()),
  };
};
