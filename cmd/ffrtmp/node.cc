#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "print.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/host_port.h"
#include "sys/json_reader.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

constexpr char kUsual[] = "127.0.0.1:9091";

/// Where this host's agent listens: what was asked for, else what it wrote down, else the usual address.
std::string agent_address(const Arguments& arguments) {
  if (arguments.has("address")) return arguments.value("address");
  std::vector<std::string> folders = {"/var/lib/ffrtmp-agent"};
  if (const char* home = ::getenv("HOME"); home && *home == '/')
    folders.push_back(std::string(home) + "/.local/state/ffrtmp-agent");
  for (const auto& folder : folders)
    if (const auto text = read_file(folder + "/address", 256)) return std::string(trim(*text));
  return kUsual;
}

/// One GET over plain HTTP/1.0 to an address in numbers: ffrtmp is static, and asks no resolver.
Result<std::string> ask(const std::string& address, const std::string& path) {
  const auto given = parse_host_port(address);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (!given || given->port == 0 || ::inet_pton(AF_INET, given->host.c_str(), &to.sin_addr) != 1)
    return bad_input("--address:", "\"" + address + "\"", "give an address in numbers, as 127.0.0.1:9091");
  to.sin_port = htons(given->port);
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
    return sys_error("no agent answers at", address, errno, "is ffrtmp-agent running on this host?");
  TRY_OK(
      write_all(fd.get(), "GET " + path + " HTTP/1.0\r\nHost: " + address + "\r\nConnection: close\r\n\r\n"));
  std::string out;
  char buffer[16384];
  constexpr size_t kMost = 64 << 20;
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("asking the agent at", address);
    if (got == 0) break;
    out.append(buffer, static_cast<size_t>(got));
    if (out.size() > kMost) return bad_input("the agent's answer does not end:", address);
  }
  const size_t body = out.find("\r\n\r\n");
  if (!out.starts_with("HTTP/1.") || out.substr(9, 3) != "200" || body == std::string::npos)
    return bad_input("no agent answers at", address, "something else listens there");
  return out.substr(body + 4);
}

std::string percent_of(const Json& job) {
  const Json& value = at_or_null(at_or_null(job, "progress"), "percent");
  char text[32] = "-";
  if (value.is_number()) snprintf(text, sizeof text, "%.0f%%", value.get<double>());
  return text;
}

std::string step_of(const Json& job) {
  if (at_or_null(job, "stands_aside") == Json(true)) return "aside";  // for a live job
  return text_or(job, "wish") == "pause" ? "paused" : text_or(job, "step");
}

Result<int> node_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty())
    return bad_input("ffrtmp node takes no argument:", arguments.positionals[0],
                     "ffrtmp nodes list has the others");
  const std::string address = agent_address(arguments);
  TRY(const std::string text, ask(address, "/node"));
  const auto json = parse_strange_json(text);
  if (!json || text_or(*json, "name").empty())
    return bad_input("no agent answers at", address, "something else listens there");
  if (arguments.has("json")) return print_out(dump_json(*json, 1) + "\n");
  const bool ready = at_or_null(*json, "ready") == Json(true);
  const bool reached = at_or_null(*json, "master_reached") == Json(true);
  const Json& silent = at_or_null(*json, "master_silent_s");
  std::string out;
  const auto line = [&](const char* name, const std::string& value) {
    std::string left = name;
    left.resize(10, ' ');
    out += left + printable(value) + "\n";
  };
  line("node",
       text_or(*json, "name") + " (" + text_or(*json, "id", text_or(*json, "node", "not joined")) + ")");
  line("agent", text_or(*json, "version") + ", process " + std::to_string(whole_or(*json, "pid", 0)));
  const auto silence = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(silent.is_number() ? std::clamp(silent.get<double>(), 0.0, 1e9) : 0.0));
  line("master", text_or(*json, "master") + (reached ? "" : ", not reached for " + format_duration(silence)));
  line("state", ready ? "takes work" : "takes no work: " + text_or(*json, "why_not_ready"));
  const Json& jobs = at_or_null(*json, "jobs");
  line("slots", std::to_string(jobs.is_array() ? jobs.size() : 0) + " of " +
                    std::to_string(whole_or(*json, "slots", 0)) + " in use");
  line("outbox", std::to_string(whole_or(*json, "outbox", 0)) + " to be told");
  line("disk", format_bytes(Bytes{whole_or(*json, "disk_free_bytes", 0)}) + " free for work");
  std::vector<std::vector<std::string>> rows{{"JOB", "TYPE", "QUEUE", "STEP", "DONE", "RUN"}};
  if (jobs.is_array())
    for (const Json& job : jobs)
      rows.push_back({text_or(job, "job") + "." + std::to_string(whole_or(job, "attempt", 0)),
                      text_or(job, "type"), text_or(job, "queue"), step_of(job), percent_of(job),
                      text_or(job, "run_id")});
  if (rows.size() > 1) out += "\n" + table(rows);
  return print_out(out);
}

}  // namespace

const Verb kNodeVerb = {
    "node",
    "[--json] [--address HOST:PORT]",
    "Show this host's agent: its master, its jobs, what it has yet to tell.",
    {{"json", 0, nullptr, "for machines"}, {"address", 0, "ADDR", "where it listens (127.0.0.1:9091)"}},
    "",
    node_verb,
};

}  // namespace ffrtmp
