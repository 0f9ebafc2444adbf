#include "cgroup/scope_keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

Result<std::string> systemd_helper() {
  TRY(std::string folder, own_program());
  folder.erase(folder.rfind('/'));
  for (const std::string& candidate :
       {folder + "/ffrtmp-systemd", folder + "/../libexec/ffrtmp/ffrtmp-systemd"})
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  return bad_input("the program that talks to systemd is missing:", folder + "/ffrtmp-systemd",
                   "install it beside ffrtmp");
}

namespace {

struct Helper {
  pid_t pid = 0;
  Fd in;   ///< a socket: its standard input, and the way back for descriptors
  Fd out;  ///< its standard output
};

Result<Helper> start_helper(std::vector<std::string> arguments) {
  TRY(const std::string path, systemd_helper());
  int in[2], out[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0)
    return sys_error("making a socket pair", "");
  Fd our_in(in[0]), its_in(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) return sys_error("making a pipe", "");
  Fd our_out(out[0]), its_out(out[1]);

  std::vector<char*> argv{const_cast<char*>(path.c_str())};
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // fork and not posix_spawn: glibc's uses clone3 and gives up where a sandbox answers EPERM instead of
  // ENOSYS.
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("starting", path);
  if (pid == 0) {
    ::dup2(its_in.get(), STDIN_FILENO);
    ::dup2(its_out.get(), STDOUT_FILENO);
    // A process group of its own: a Ctrl-C meant for the workload must not take the scope away under it.
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execv(path.c_str(), argv.data());
    ::_exit(127);
  }
  return Helper{pid, std::move(our_in), std::move(our_out)};
}

/// The helper's answer: one line, "ok …" or "error …".
Result<std::string> read_answer(int fd) {
  std::string line;
  char c;
  while (line.size() < 65536) {
    const ssize_t got = ::read(fd, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || c == '\n') break;
    line += c;
  }
  if (line.starts_with("ok")) return line.size() > 3 ? line.substr(3) : std::string();
  if (line.starts_with("error ")) return bad_input(line.substr(6), "");
  return bad_input("no answer from", "ffrtmp-systemd");
}

}  // namespace

ScopeKeeper& ScopeKeeper::operator=(ScopeKeeper&& other) noexcept {
  if (this != &other) {
    release();
    pid_ = std::exchange(other.pid_, 0);
    hold_ = std::move(other.hold_);
  }
  return *this;
}

void ScopeKeeper::release() {
  hold_.reset();
  if (pid_ > 0)
    while (::waitpid(std::exchange(pid_, 0), nullptr, 0) < 0 && errno == EINTR) {
    }
}

Result<ScopeKeeper> start_scope(const std::string& manager, const std::string& scope,
                                const std::string& slice) {
  TRY(Helper helper, start_helper({"scope", manager, scope, slice}));
  ScopeKeeper keeper(helper.pid, std::move(helper.in));
  TRY_OK(read_answer(helper.out.get()));
  return keeper;
}

Status attach_to_scope(const std::string& manager, const std::string& scope, const std::string& leaf,
                       pid_t pid) {
  TRY(Helper helper, start_helper({"attach", manager, scope, leaf, std::to_string(pid)}));
  const ScopeKeeper reaper(helper.pid, std::move(helper.in));
  TRY_OK(read_answer(helper.out.get()));
  return {};
}

namespace {

/// Runs the helper to its answer.
Result<std::string> ask_helper(std::vector<std::string> arguments) {
  TRY(Helper helper, start_helper(std::move(arguments)));
  const ScopeKeeper reaper(helper.pid, std::move(helper.in));
  return read_answer(helper.out.get());
}

}  // namespace

Status attach_to_unit(const std::string& manager, const std::string& unit, const std::string& below,
                      pid_t pid) {
  TRY_OK(ask_helper({"attach", manager, unit, below, std::to_string(pid)}));
  return {};
}

Result<Json> unit_properties(const std::string& manager, const std::string& unit,
                             const std::vector<std::string>& names) {
  std::vector<std::string> arguments{"get", manager, unit};
  arguments.insert(arguments.end(), names.begin(), names.end());
  TRY(const std::string answer, ask_helper(std::move(arguments)));
  return parse_json(answer, "the answer of ffrtmp-systemd");
}

Status set_unit_properties(const std::string& manager, const std::string& unit, const Json& properties) {
  TRY_OK(ask_helper({"set", manager, unit, dump_json(properties)}));
  return {};
}

Status freeze_unit(const std::string& manager, const std::string& unit, bool frozen) {
  TRY_OK(ask_helper({frozen ? "freeze" : "thaw", manager, unit}));
  return {};
}

Result<Fd> open_journal_stream(const std::string& identifier) {
  TRY(Helper helper, start_helper({"journal", identifier}));
  char byte;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(helper.in.get(), &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* header = got == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  Fd stream;
  if (header && header->cmsg_type == SCM_RIGHTS) {
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    stream = Fd(fd);
  }
  const ScopeKeeper reaper(helper.pid, std::move(helper.in));
  TRY_OK(read_answer(helper.out.get()));
  if (!stream) return bad_input("the journal gave no stream", "");
  return stream;
}

}  // namespace ffrtmp
