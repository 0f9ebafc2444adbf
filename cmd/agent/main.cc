#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/log.h"
#include "agent/options.h"
#include "sys/file.h"
#include "sys/redact.h"

namespace {

constexpr int kFailed = 1, kUsage = 2;

void complain(const ffrtmp::Error& error) {
  (void)ffrtmp::write_all(STDERR_FILENO, "ffrtmp-agent: " + ffrtmp::redact_text(error.message()) + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ffrtmp;
  // Started with closed standard streams, our own descriptors would take their numbers, and their fate.
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)!::open("/dev/null", O_RDWR);
  // A heap for each thread would keep what each has needed once.
  ::mallopt(M_ARENA_MAX, 2);
  auto options = agent::read_options(argc, argv);
  if (!options) {
    complain(options.error());
    return kUsage;
  }
  if (options->check) {
    (void)write_all(STDOUT_FILENO, "the settings are right\n");
    return 0;
  }
  set_log(level_of(options->log_level), options->log_format == "json");
  const auto code = agent::Agent(std::move(*options)).run();
  if (code) return *code;
  complain(code.error());
  return kFailed;
}
