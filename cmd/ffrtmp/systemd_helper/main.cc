// ffrtmp-systemd: the only program of the wrapper that loads libsystemd. ffrtmp itself stays small and
// static, and runs this one when no scope of ours lives yet, or for a stream to the journal: never once a
// job.
//
//   ffrtmp-systemd scope --system|--user NAME SLICE   puts itself into a new delegated scope, makes room in
//   it for
//                                                      leaves, prints "ok PATH" or "error TEXT", and stays
//                                                      until its standard input ends
//   ffrtmp-systemd attach --user NAME /LEAF PID        has the user manager move a process of its user into a
//   leaf of the
//                                                      scope, from wherever it stands: a login session, a
//                                                      system service
//   ffrtmp-systemd get MANAGER UNIT NAME...           prints "ok {"NAME": value, ...}"
//   ffrtmp-systemd set MANAGER UNIT [[NAME,VALUE]..]  SetUnitProperties, for this boot only
//   ffrtmp-systemd freeze|thaw MANAGER UNIT           FreezeUnit, ThawUnit
//   (MANAGER is --system, --user or, for root, --user=UID: then this program becomes that user first)
//   ffrtmp-systemd journal IDENTIFIER                 passes a journal stream over the socket on its standard
//   input

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cgroup/host.h"
#include "cgroup/kernel_files.h"
#include "cgroup/placement.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/json.h"
#include "sys/text.h"

namespace {

using namespace ffrtmp;

constexpr char kManager[] = "org.freedesktop.systemd1";
constexpr char kManagerPath[] = "/org/freedesktop/systemd1";
constexpr char kManagerInterface[] = "org.freedesktop.systemd1.Manager";
/// Jobs must not be in the scope's own cgroup, nor may we: it gets children with controllers.
constexpr char kKeeperLeaf[] = "_keeper";

[[noreturn]] void fail(const std::string& what, int negative_errno = 0, const sd_bus_error* error = nullptr) {
  std::string text = what;
  if (error && error->message)
    text += std::string(": ") + error->message;
  else if (negative_errno != 0)
    text += std::string(": ") + strerrordesc_np(-negative_errno);
  printf("error %s\n", printable(text).c_str());
  fflush(stdout);
  exit(1);
}

/// What JobRemoved said of our job.
struct Waiting {
  std::string job;
  std::string result;
};

int on_job_removed(sd_bus_message* message, void* opaque, sd_bus_error*) {
  auto& waiting = *static_cast<Waiting*>(opaque);
  uint32_t id;
  const char *path, *unit, *result;
  if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0) return 0;
  if (waiting.job == path) waiting.result = result;
  return 0;
}

int append_scope(sd_bus_message* call, const char* name, const char* slice, bool with_oom_policy) {
  // OOMPolicy is a scope's property since systemd 253, and its default there ends the whole scope, all jobs
  // of it, when one is killed for memory. 252 does not know it and lets the others live.
  int r = sd_bus_message_append(call, "ss", name, "fail");
  if (r >= 0) r = sd_bus_message_open_container(call, 'a', "(sv)");
  if (r >= 0) r = sd_bus_message_append(call, "(sv)", "Description", "s", "Workloads of ffrtmp");
  if (r >= 0) r = sd_bus_message_append(call, "(sv)", "Slice", "s", slice);
  if (r >= 0) r = sd_bus_message_append(call, "(sv)", "Delegate", "b", 1);
  if (r >= 0) r = sd_bus_message_append(call, "(sv)", "CollectMode", "s", "inactive-or-failed");
  // On a v1 hierarchy systemd makes the blkio cgroup of a unit only when something asks for its account.
  if (r >= 0) r = sd_bus_message_append(call, "(sv)", "BlockIOAccounting", "b", 1);
  if (r >= 0 && with_oom_policy) r = sd_bus_message_append(call, "(sv)", "OOMPolicy", "s", "continue");
  if (r >= 0) r = sd_bus_message_append(call, "(sv)", "PIDs", "au", 1, static_cast<uint32_t>(getpid()));
  if (r >= 0) r = sd_bus_message_close_container(call);
  if (r >= 0) r = sd_bus_message_append(call, "a(sa(sv))", 0);
  return r;
}

/// Asks for the scope. Returns the job's object path, or "" with `error` set.
std::string start_transient(sd_bus* bus, const char* name, const char* slice, bool with_oom_policy,
                            sd_bus_error* error, int* failed) {
  sd_bus_message *call = nullptr, *reply = nullptr;
  *failed = sd_bus_message_new_method_call(bus, &call, kManager, kManagerPath, kManagerInterface,
                                           "StartTransientUnit");
  if (*failed >= 0) *failed = append_scope(call, name, slice, with_oom_policy);
  if (*failed >= 0) *failed = sd_bus_call(bus, call, 30'000'000, error, &reply);
  const char* path = nullptr;
  if (*failed >= 0) *failed = sd_bus_message_read(reply, "o", &path);
  const std::string out = *failed >= 0 && path ? path : "";
  sd_bus_message_unref(call);
  sd_bus_message_unref(reply);
  return out;
}

std::string scope_of_self(const std::string& name) {
  const auto text = read_file("/proc/self/cgroup");
  if (!text) return "";
  for (const auto& line : parse_proc_cgroup(*text))
    if (line.path.ends_with("/" + name)) return line.path;
  return "";
}

/// Somebody else has just made the scope: joins it beside their keeper, so that it lives for our caller too.
/// False when it is not there (any more).
bool join_scope(sd_bus* bus, bool user, const char* name) {
  const Host host = probe_host();
  const std::string path = scope_cgroup(host), leaf = path + "/" + kKeeperLeaf;
  const Hierarchy* v2 = host.unified();
  const auto folder = v2 ? v2->folder(leaf) : std::nullopt;
  if (!folder || (mkdir(folder->c_str(), 0755) != 0 && errno != EEXIST)) return false;
  if (!write_control(AT_FDCWD, *folder + "/" + kCgroupProcs, "0") && user)
    (void)sd_bus_call_method(bus, kManager, kManagerPath, kManagerInterface, "AttachProcessesToUnit", nullptr,
                             nullptr, "ssau", name, (std::string("/") + kKeeperLeaf).c_str(), 1,
                             static_cast<uint32_t>(getpid()));
  const std::string text = read_or_empty(AT_FDCWD, "/proc/self/cgroup");
  for (const auto& line : parse_proc_cgroup(text))
    if (line.controllers.empty() && line.path == leaf) return true;
  return false;
}

/// Moves this process out of the scope's own cgroups into a leaf, in each hierarchy that has them.
void step_aside(const std::string& name) {
  const Host host = probe_host();
  for (const auto& h : host.hierarchies) {
    if (!h.self.ends_with("/" + name)) continue;
    const auto folder = h.folder(h.self);
    if (!folder) continue;
    const std::string leaf = *folder + "/" + kKeeperLeaf;
    if (mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) fail("making cgroup " + leaf, -errno);
    if (h.has(Controller::cpuset) && h.dialect == Dialect::v1)
      for (const char* file : {kCpusetCpus, kV1CpusetMems})
        if (const auto value = read_file(*folder + "/" + file))
          (void)write_control(AT_FDCWD, leaf + "/" + file, trim(*value));
    if (const auto moved = write_control(AT_FDCWD, leaf + "/" + kCgroupProcs, "0"); !moved)
      fail(moved.error().message());
  }
}

/// Root asks a user's manager as that user: it answers nobody else.
void become_user(std::string_view manager) {
  constexpr std::string_view kPrefix = "--user=";
  if (!manager.starts_with(kPrefix)) return;
  const auto uid = parse_u64(manager.substr(kPrefix.size()));
  if (!uid || *uid == 0 || *uid >= UINT32_MAX) fail("not a user id");
  const auto id = static_cast<uid_t>(*uid);
  setenv("XDG_RUNTIME_DIR", ("/run/user/" + std::to_string(id)).c_str(), 1);
  unsetenv("DBUS_SESSION_BUS_ADDRESS");
  if (geteuid() == id) return;
  const passwd* known = getpwuid(id);
  const gid_t group = known ? known->pw_gid : id;
  if (setgroups(0, nullptr) != 0 || setresgid(group, group, group) != 0 || setresuid(id, id, id) != 0)
    fail("becoming user " + std::to_string(id), -errno);
}

bool is_user(std::string_view manager) { return manager.starts_with("--user"); }

sd_bus* open_bus(bool user) {
  // A system service with User= has no XDG_RUNTIME_DIR, and its user's manager answers all the same.
  if (user) setenv("XDG_RUNTIME_DIR", ("/run/user/" + std::to_string(geteuid())).c_str(), 0);
  sd_bus* bus = nullptr;
  const int r = user ? sd_bus_default_user(&bus) : sd_bus_default_system(&bus);
  if (r < 0) fail(user ? "the user manager's bus cannot be reached" : "the system bus cannot be reached", r);
  return bus;
}

/// The properties that limits are made of, with their D-Bus types.
struct Property {
  const char* name;
  const char* type;
};
constexpr Property kProperties[] = {
    {"CPUQuotaPerSecUSec", "t"},
    {"CPUQuotaPeriodUSec", "t"},
    {"CPUWeight", "t"},
    {"AllowedCPUs", "ay"},
    {"MemoryMax", "t"},
    {"MemoryHigh", "t"},
    {"MemorySwapMax", "t"},
    {"TasksMax", "t"},
    {"IOWeight", "t"},
    {"IOReadBandwidthMax", "a(st)"},
    {"IOWriteBandwidthMax", "a(st)"},
    {"IOReadIOPSMax", "a(st)"},
    {"IOWriteIOPSMax", "a(st)"},
    {"MainPID", "u"},
    {"ControlGroup", "s"},
};

const Property& property_of(const std::string& name) {
  for (const auto& property : kProperties)
    if (name == property.name) return property;
  fail("no property that this program knows: " + name);
}

/// "Service" for x.service: the D-Bus interface that has the properties.
std::string interface_of(const std::string& unit) {
  std::string kind = unit.substr(unit.rfind('.') + 1);
  if (kind.empty()) fail("not a unit: " + unit);
  kind[0] = static_cast<char>(kind[0] - 'a' + 'A');
  return "org.freedesktop.systemd1." + kind;
}

std::string unit_path(const char* unit) {
  char* path = nullptr;
  if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0) fail("out of memory");
  const std::string out = path;
  free(path);
  return out;
}

Json read_value(sd_bus_message* from, const char* type) {
  int r = 0;
  Json out;
  const std::string_view kind = type;
  if (kind == "t") {
    uint64_t value = 0;
    r = sd_bus_message_read(from, "t", &value);
    out = value;
  } else if (kind == "u") {
    uint32_t value = 0;
    r = sd_bus_message_read(from, "u", &value);
    out = value;
  } else if (kind == "s") {
    const char* value = "";
    r = sd_bus_message_read(from, "s", &value);
    out = value;
  } else if (kind == "ay") {
    const void* bytes = nullptr;
    size_t size = 0;
    r = sd_bus_message_read_array(from, 'y', &bytes, &size);
    out = Json::array();
    for (size_t i = 0; i < size; i++) out.push_back(static_cast<const uint8_t*>(bytes)[i]);
  } else {
    out = Json::array();
    r = sd_bus_message_enter_container(from, 'a', "(st)");
    const char* path = nullptr;
    uint64_t value = 0;
    while (r >= 0 && (r = sd_bus_message_read(from, "(st)", &path, &value)) > 0) out.push_back({path, value});
  }
  if (r < 0) fail("reading a property", r);
  return out;
}

int append_value(sd_bus_message* call, const Property& property, const Json& value) {
  const std::string_view kind = property.type;
  int r = sd_bus_message_append(call, "s", property.name);
  if (r >= 0) r = sd_bus_message_open_container(call, 'v', property.type);
  if (kind == "t" && value.is_number_unsigned()) {
    if (r >= 0) r = sd_bus_message_append(call, "t", value.get<uint64_t>());
  } else if (kind == "ay" && value.is_array()) {
    std::string bytes;
    for (const auto& item : value)
      bytes += static_cast<char>(item.is_number_unsigned() ? item.get<unsigned>() : 0);
    if (r >= 0) r = sd_bus_message_append_array(call, 'y', bytes.data(), bytes.size());
  } else if (kind == "a(st)" && value.is_array()) {
    if (r >= 0) r = sd_bus_message_open_container(call, 'a', "(st)");
    for (const auto& item : value)
      if (r >= 0 && item.is_array() && item.size() == 2 && item[0].is_string() &&
          item[1].is_number_unsigned())
        r = sd_bus_message_append(call, "(st)", item[0].get<std::string>().c_str(), item[1].get<uint64_t>());
    if (r >= 0) r = sd_bus_message_close_container(call);
  } else {
    fail(std::string("not a value of ") + property.name);
  }
  return r >= 0 ? sd_bus_message_close_container(call) : r;
}

[[noreturn]] void answer(const std::string& text) {
  printf("ok%s%s\n", text.empty() ? "" : " ", text.c_str());
  fflush(stdout);
  exit(0);
}

[[noreturn]] void get_properties(std::string_view manager, const char* unit, char** names) {
  become_user(manager);
  sd_bus* bus = open_bus(is_user(manager));
  Json out = Json::object();
  for (; *names; names++) {
    const Property& property = property_of(*names);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* reply = nullptr;
    const int r = sd_bus_get_property(bus, kManager, unit_path(unit).c_str(), interface_of(unit).c_str(),
                                      property.name, &error, &reply, property.type);
    if (r < 0) fail("systemd does not tell " + std::string(property.name) + " of " + unit, r, &error);
    out[property.name] = read_value(reply, property.type);
    sd_bus_message_unref(reply);
  }
  answer(dump_json(out));
}

[[noreturn]] void set_properties(std::string_view manager, const char* unit, const char* text) {
  const auto json = parse_json(text, "properties");
  if (!json || !json->is_array()) fail("not a list of properties");
  become_user(manager);
  sd_bus* bus = open_bus(is_user(manager));
  sd_bus_message* call = nullptr;
  int r = sd_bus_message_new_method_call(bus, &call, kManager, kManagerPath, kManagerInterface,
                                         "SetUnitProperties");
  if (r >= 0) r = sd_bus_message_append(call, "sb", unit, 1);  // 1: until the next boot
  if (r >= 0) r = sd_bus_message_open_container(call, 'a', "(sv)");
  for (const auto& item : *json) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string()) fail("not a property");
    if (r >= 0) r = sd_bus_message_open_container(call, 'r', "sv");
    if (r >= 0) r = append_value(call, property_of(item[0].get<std::string>()), item[1]);
    if (r >= 0) r = sd_bus_message_close_container(call);
  }
  if (r >= 0) r = sd_bus_message_close_container(call);
  sd_bus_error error = SD_BUS_ERROR_NULL;
  if (r >= 0) r = sd_bus_call(bus, call, 30'000'000, &error, nullptr);
  if (r < 0) fail(std::string("systemd would not change ") + unit, r, &error);
  answer("");
}

[[noreturn]] void freeze(std::string_view manager, const char* unit, bool frozen) {
  become_user(manager);
  sd_bus* bus = open_bus(is_user(manager));
  sd_bus_error error = SD_BUS_ERROR_NULL;
  const int r = sd_bus_call_method(bus, kManager, kManagerPath, kManagerInterface,
                                   frozen ? "FreezeUnit" : "ThawUnit", &error, nullptr, "s", unit);
  if (r < 0) fail(std::string("systemd would not ") + (frozen ? "freeze " : "thaw ") + unit, r, &error);
  answer("");
}

/// AttachProcessesToUnit (systemd 238): the user manager passes it on to the system manager for what it may
/// not move itself, and that one agrees for processes of the same user.
[[noreturn]] void attach(std::string_view manager, const char* name, const char* leaf, const char* pid_text) {
  const auto pid = parse_u64(pid_text);
  if (!pid || *pid == 0 || *pid > INT32_MAX) fail("not a PID");
  become_user(manager);
  sd_bus* bus = open_bus(is_user(manager));
  sd_bus_error error = SD_BUS_ERROR_NULL;
  const int r = sd_bus_call_method(bus, kManager, kManagerPath, kManagerInterface, "AttachProcessesToUnit",
                                   &error, nullptr, "ssau", name, leaf, 1, static_cast<uint32_t>(*pid));
  if (r < 0) fail("systemd would not move the process into " + std::string(name), r, &error);
  printf("ok\n");
  fflush(stdout);
  exit(0);
}

[[noreturn]] void answer_and_stay(const std::string& path) {
  printf("ok %s\n", path.c_str());
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  exit(0);
}

[[noreturn]] void keep_scope(bool user, const char* name, const char* slice) {
  sd_bus* bus = open_bus(user);
  int r;
  Waiting waiting;
  // Listening comes before asking: the job may be done before the reply is read.
  r = sd_bus_match_signal(bus, nullptr, kManager, kManagerPath, kManagerInterface, "JobRemoved",
                          on_job_removed, &waiting);
  if (r < 0) fail("listening to systemd", r);
  r = sd_bus_call_method(bus, kManager, kManagerPath, kManagerInterface, "Subscribe", nullptr, nullptr, "");
  if (r < 0) fail("subscribing to systemd", r);

  std::string result;
  sd_bus_error error = SD_BUS_ERROR_NULL;
  bool with_oom_policy = true;
  for (int attempt = 0; attempt < 6 && result.empty(); attempt++) {
    sd_bus_error_free(&error);
    waiting = {};
    waiting.job = start_transient(bus, name, slice, with_oom_policy, &error, &r);
    if (r < 0) {
      if (with_oom_policy && sd_bus_error_has_name(&error, SD_BUS_ERROR_PROPERTY_READ_ONLY))
        with_oom_policy = false;
      else if (with_oom_policy && error.message && strstr(error.message, "OOMPolicy"))
        with_oom_policy = false;
      else if (sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists")) {
        // Made by somebody else this very moment, or on its way out, or left failed by an OOM kill.
        if (join_scope(bus, user, name)) answer_and_stay(scope_cgroup(probe_host()));
        (void)sd_bus_call_method(bus, kManager, kManagerPath, kManagerInterface, "ResetFailedUnit", nullptr,
                                 nullptr, "s", name);
        usleep(50'000u << attempt);
      } else {
        fail("systemd refused the scope", r, &error);
      }
      continue;
    }
    while (waiting.result.empty()) {
      r = sd_bus_process(bus, nullptr);
      if (r < 0) fail("waiting for systemd", r);
      if (r == 0 && sd_bus_wait(bus, 30'000'000) <= 0) fail("systemd did not start the scope within 30 s");
    }
    result = waiting.result;
  }
  if (result.empty()) fail("systemd refused the scope", r, &error);
  if (result != "done") fail("systemd could not start the scope: " + result);
  // Asked and answered is not the same as done: where are we?
  const std::string path = scope_of_self(name);
  if (path.empty()) fail("systemd did not move us into the scope");
  sd_bus_unref(bus);
  step_aside(name);
  answer_and_stay(path);
}

[[noreturn]] void pass_journal_stream(const char* identifier) {
  const int stream = sd_journal_stream_fd(identifier, LOG_INFO, 0);
  if (stream < 0) fail("the journal cannot be reached", stream);
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof stream)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof stream);
  memcpy(CMSG_DATA(header), &stream, sizeof stream);
  if (sendmsg(STDIN_FILENO, &message, MSG_NOSIGNAL) != 1) fail("passing the journal's stream", -errno);
  printf("ok\n");
  fflush(stdout);
  exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "scope" && argc == 5) keep_scope(std::string_view(argv[2]) == "--user", argv[3], argv[4]);
  if (verb == "attach" && argc == 6) attach(argv[2], argv[3], argv[4], argv[5]);
  if (verb == "get" && argc > 4) get_properties(argv[2], argv[3], argv + 4);
  if (verb == "set" && argc == 5) set_properties(argv[2], argv[3], argv[4]);
  if ((verb == "freeze" || verb == "thaw") && argc == 4) freeze(argv[2], argv[3], verb == "freeze");
  if (verb == "journal" && argc == 3) pass_journal_stream(argv[2]);
  fprintf(stderr, "ffrtmp-systemd is run by ffrtmp; there is nothing to do with it by hand\n");
  return 125;
}
