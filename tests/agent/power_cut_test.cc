// The power is cut at every write of the agent's state: what SQLite does to its files is written down, then
// every beginning of that is put on a disk again, as a disk may look that had not been told to keep what came
// last.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "agent/state.h"
#include "sys/file.h"

using namespace ffrtmp;
using namespace ffrtmp::agent;

namespace {

namespace fs = std::filesystem;
using Image = std::map<std::string, std::string>;  // what lies in the folder: name, content

struct Op {
  enum class Kind { create, write, truncate, sync, unlink, sync_folder } kind;
  std::string name;
  int64_t at = 0;
  std::string bytes;
};

std::vector<Op>* g_ops = nullptr;
bool g_folder_opened = false;

void note(Op op) {
  if (g_ops != nullptr) g_ops->push_back(std::move(op));
}

// A VFS in front of SQLite's own, which writes down what that is told. Of a folder SQLite tells nobody; it
// opens it to sync it, and the call with which it does so can be replaced.
sqlite3_vfs* g_real = nullptr;
int (*g_open_folder)(const char*, int*) = nullptr;

struct ShimFile {
  sqlite3_file base;
  std::string* name;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
ShimFile* shim(sqlite3_file* file) { return reinterpret_cast<ShimFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return shim(file)->real(); }

int shim_close(sqlite3_file* file) {
  delete shim(file)->name;
  return real(file)->pMethods->xClose(real(file));
}
int shim_read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  return real(file)->pMethods->xRead(real(file), to, size, at);
}
int shim_write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  note({Op::Kind::write, *shim(file)->name, at,
        std::string(static_cast<const char*>(from), static_cast<size_t>(size))});
  return real(file)->pMethods->xWrite(real(file), from, size, at);
}
int shim_truncate(sqlite3_file* file, sqlite3_int64 size) {
  note({Op::Kind::truncate, *shim(file)->name, size, ""});
  return real(file)->pMethods->xTruncate(real(file), size);
}
int shim_sync(sqlite3_file* file, int flags) {
  g_folder_opened = false;
  const int code = real(file)->pMethods->xSync(real(file), flags);
  if (code == SQLITE_OK) note({Op::Kind::sync, *shim(file)->name, 0, ""});
  if (code == SQLITE_OK && g_folder_opened) note({Op::Kind::sync_folder, "", 0, ""});
  return code;
}
int shim_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int shim_lock(sqlite3_file* file, int level) { return real(file)->pMethods->xLock(real(file), level); }
int shim_unlock(sqlite3_file* file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
int shim_reserved(sqlite3_file* file, int* out) {
  return real(file)->pMethods->xCheckReservedLock(real(file), out);
}
int shim_control(sqlite3_file* file, int op, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), op, argument);
}
int shim_sector(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int shim_device(sqlite3_file* file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
int shim_map(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, out);
}
int shim_shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void shim_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int shim_unmap(sqlite3_file* file, int remove) { return real(file)->pMethods->xShmUnmap(real(file), remove); }

const sqlite3_io_methods kMethods = {
    2,           shim_close, shim_read,     shim_write,    shim_truncate, shim_sync,
    shim_size,   shim_lock,  shim_unlock,   shim_reserved, shim_control,  shim_sector,
    shim_device, shim_map,   shim_shm_lock, shim_barrier,  shim_unmap,    nullptr,
    nullptr};

int shim_open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  const bool fresh = path != nullptr && ::access(path, F_OK) != 0;
  const int code = g_real->xOpen(g_real, path, real(file), flags, out_flags);
  file->pMethods = nullptr;
  if (code != SQLITE_OK) return code;
  shim(file)->name = new std::string(path == nullptr ? "" : fs::path(path).filename());
  file->pMethods = &kMethods;
  if (fresh) note({Op::Kind::create, *shim(file)->name, 0, ""});
  return code;
}
int shim_delete(sqlite3_vfs*, const char* path, int sync_folder) {
  g_folder_opened = false;
  const int code = g_real->xDelete(g_real, path, sync_folder);
  if (code == SQLITE_OK) note({Op::Kind::unlink, fs::path(path).filename(), 0, ""});
  if (code == SQLITE_OK && g_folder_opened) note({Op::Kind::sync_folder, "", 0, ""});
  return code;
}
int shim_open_folder(const char* path, int* fd) {
  g_folder_opened = true;
  return g_open_folder(path, fd);
}

/// While it lives, what SQLite does goes into `ops`.
class Recorder {
 public:
  explicit Recorder(std::vector<Op>& ops) {
    g_real = sqlite3_vfs_find(nullptr);
    vfs_ = *g_real;
    vfs_.szOsFile = static_cast<int>(sizeof(ShimFile)) + g_real->szOsFile;
    vfs_.pNext = nullptr;
    vfs_.zName = "recorder";
    vfs_.xOpen = shim_open;
    vfs_.xDelete = shim_delete;
    g_open_folder =
        reinterpret_cast<int (*)(const char*, int*)>(g_real->xGetSystemCall(g_real, "openDirectory"));
    g_real->xSetSystemCall(g_real, "openDirectory", reinterpret_cast<sqlite3_syscall_ptr>(shim_open_folder));
    sqlite3_vfs_register(&vfs_, 1);
    g_ops = &ops;
  }
  ~Recorder() {
    g_ops = nullptr;
    sqlite3_vfs_unregister(&vfs_);
    g_real->xSetSystemCall(g_real, "openDirectory", nullptr);
  }

 private:
  sqlite3_vfs vfs_{};
};

/// A disk that is sure of what was synced only.
class Disk {
 public:
  explicit Disk(const Image& start) {
    for (const auto& [name, bytes] : start) names_[name] = std::make_shared<Inode>(Inode{bytes, bytes, {}});
    safe_names_ = names_;
  }

  void apply(const Op& op) {
    if (op.kind == Op::Kind::sync_folder) {
      safe_names_ = names_;
      return;
    }
    if (op.kind == Op::Kind::unlink) {
      names_.erase(op.name);
      return;
    }
    if (op.kind == Op::Kind::create) names_[op.name] = std::make_shared<Inode>();
    Inode& inode = *names_.at(op.name);
    if (op.kind == Op::Kind::sync) {
      inode.safe = inode.now;
      inode.pending.clear();
    } else if (op.kind != Op::Kind::create) {
      change(inode.now, op);
      inode.pending.push_back(op);
    }
  }

  /// Everything came to the disk: the agent was killed, or the power was cut in a calm moment.
  Image kept() const {
    return image(names_, [](const Inode& one) { return one.now; });
  }
  /// Nothing did that was not synced, neither bytes nor names.
  Image lost() const {
    return image(safe_names_, [](const Inode& one) { return one.safe; });
  }
  /// Names are there, and what was written behind them is not.
  Image hollow() const {
    return image(names_, [](const Inode& one) { return one.safe; });
  }
  /// The last write came in half.
  Image torn() const {
    return image(names_, [](const Inode& one) {
      std::string out = one.safe;
      for (size_t i = 0; i < one.pending.size(); i++) {
        Op op = one.pending[i];
        if (i + 1 == one.pending.size()) op.bytes.resize(op.bytes.size() / 2);
        change(out, op);
      }
      return out;
    });
  }
  /// Of what was not synced some came, in no order, and some in part.
  Image some(std::mt19937& chance) const {
    const bool named = chance() % 2 == 0;
    return image(named ? names_ : safe_names_, [&](const Inode& one) {
      std::string out = one.safe;
      for (Op op : one.pending) {
        const unsigned what = chance() % 4;
        if (what == 0) continue;
        if (what == 1) op.bytes.resize(chance() % (op.bytes.size() + 1));
        change(out, op);
      }
      return out;
    });
  }

 private:
  struct Inode {
    std::string now, safe;
    std::vector<Op> pending;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  static void change(std::string& bytes, const Op& op) {
    if (op.kind == Op::Kind::truncate) return bytes.resize(static_cast<size_t>(op.at));
    const auto at = static_cast<size_t>(op.at);
    if (bytes.size() < at + op.bytes.size()) bytes.resize(at + op.bytes.size());
    bytes.replace(at, op.bytes.size(), op.bytes);
  }
  template <class Content>
  static Image image(const Names& names, Content content) {
    Image out;
    for (const auto& [name, inode] : names) out[name] = content(*inode);
    return out;
  }

  Names names_, safe_names_;
};

class Folder {
 public:
  /// In memory where there is such a place: thousands of databases are opened.
  explicit Folder(const Image& image = {}) {
    std::string name =
        std::string(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + "/ffrtmp-power-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
    const auto dir = open_dir(AT_FDCWD, path);
    REQUIRE(dir);
    for (const auto& [file, bytes] : image) {
      const auto fd = open_at(dir->get(), file, O_WRONLY | O_CREAT, 0600);
      REQUIRE((fd && write_all(fd->get(), bytes)));
    }
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path;
};

/// All that the state tells, in one text.
std::string told_by(const State& state) {
  std::string out = "nonce " + state.value("nonce") + "\n";
  for (const auto& attempt : state.attempts())
    out += dump_json(to_json(attempt)) + " " + std::string(step_name(attempt.step)) + " " +
           std::string(wish_name(attempt.wish)) + " " + std::to_string(attempt.log_from) + " " +
           attempt.boot_id + "\n";
  for (const auto& item : state.outbox())
    out += item.job + " " + item.kind + " " + dump_json(item.body) + "\n";
  return out;
}

using Change = std::function<Status(State&)>;
constexpr std::nullptr_t kRestart = nullptr;  // among changes: the agent ends and comes back

struct Life {
  Image start;
  std::vector<Op> ops;
  struct Promise {
    size_t at = 0;  ///< so many operations had been done when it was made
    std::string state;
  };
  std::vector<Promise> promises;
};

Life live(const Image& start, const std::vector<Change>& changes) {
  Life out;
  out.start = start;
  const Folder folder(start);
  const Recorder recorder(out.ops);
  auto state = State::open(folder.path);
  REQUIRE_MESSAGE(state, (state ? "" : state.error().message()));
  out.promises.push_back({0, told_by(*state)});  // opening it changes nothing of what it tells
  for (const auto& change : changes) {
    if (!change) {
      { const State ended = std::move(*state); }
      state = State::open(folder.path);
      REQUIRE(state);
    } else {
      const Status done = change(*state);
      REQUIRE_MESSAGE(done, (done ? "" : done.error().message()));
    }
    out.promises.push_back({out.ops.size(), told_by(*state)});
  }
  return out;
}

/// Why the state that comes up from this disk is not what was promised; "" when it is. `last` is of the
/// change that was made good last: that, or the whole of the next one.
std::string broken_promise(const Image& disk, const Life& life, size_t last) {
  const Folder folder(disk);
  const auto state = State::open(folder.path);
  if (!state) return "it does not open: " + state.error().message();
  if (!state->set_aside().empty()) return "it was " + state->set_aside();
  const std::string told = told_by(*state);
  if (told == life.promises[last].state) return "";
  if (last + 1 < life.promises.size() && told == life.promises[last + 1].state) return "";
  return "promised:\n" + life.promises[last].state + "told:\n" + told;
}

/// Cuts the power after every operation; `then` gets some of the disks that this leaves behind.
size_t cut_everywhere(const Life& life, unsigned seed,
                      const std::function<void(const Image&)>& then = nullptr) {
  std::mt19937 chance(seed);
  Disk disk(life.start);
  size_t last = 0, cuts = 0;
  for (size_t done = 0; done <= life.ops.size(); done++) {
    if (done > 0) disk.apply(life.ops[done - 1]);
    while (last + 1 < life.promises.size() && life.promises[last + 1].at <= done) last++;
    const std::pair<std::string, Image> images[] = {
        {"all kept", disk.kept()},        {"all lost", disk.lost()},
        {"names kept", disk.hollow()},    {"last write torn", disk.torn()},
        {"some kept", disk.some(chance)}, {"others kept", disk.some(chance)}};
    const Image* before = nullptr;
    for (const auto& [what, image] : images) {
      if (before != nullptr && *before == image) continue;
      before = &image;
      cuts++;
      const std::string broken = broken_promise(image, life, last);
      CHECK_MESSAGE(broken.empty(), "after operation ", done, " of ", life.ops.size(), ", ", what, ": ",
                    broken);
      if (!broken.empty()) return cuts;
    }
    if (then && done % 150 == 75) then(disk.some(chance));
  }
  return cuts;
}

Attempt attempt_of_job(int number, size_t size) {
  Attempt out;
  out.job = "j-" + std::to_string(number);
  out.number = 1;
  out.run_id = run_id_of(out.job, 1);
  out.granted_at = 1000 + number;
  out.spec = {{"type", "exec"}, {"params", {{"text", std::string(size, 'x')}}}};
  return out;
}

/// What an agent writes down of a few jobs that run beside each other, from the grant until the master has
/// their results.
std::vector<Change> some_days_work(int jobs) {
  std::vector<Change> out;
  const auto step = [&](int job, const std::function<void(Attempt&)>& with) {
    out.push_back([=](State& state) -> Status {
      for (Attempt& one : state.attempts())
        if (one.job == "j-" + std::to_string(job)) {
          with(one);
          return state.save(one);
        }
      return bad_input("no such attempt", "", "");
    });
  };
  for (int first = 0; first < jobs; first += 2) {
    const int pair[] = {first, first + 1};
    out.push_back([=](State& state) {
      return state.add({attempt_of_job(first, 200), attempt_of_job(first + 1, 9000)},
                       "nonce-" + std::to_string(first));
    });
    for (const Step to : {Step::accepted, Step::ready, Step::launching, Step::running})
      for (const int job : pair)
        step(job, [to](Attempt& one) {
          one.step = to;
          one.boot_id = "this-boot";
        });
    step(first, [](Attempt& one) { one.log_from = one.log_at = 4096; });
    step(first + 1, [](Attempt& one) { one.wish = Wish::cancel; });
    if (first % 4 == 2) out.push_back(kRestart);
    for (const int job : pair)
      out.push_back([=](State& state) {
        Attempt one = attempt_of_job(job, 0);
        one.step = Step::ended;
        one.boot_id = "this-boot";
        const Json file = {{"path", "/somewhere"}, {"sha256", std::string(64, 'a')}, {"size", 7}};
        const Json result = {{"outcome", "succeeded"}, {"result", {{"text", std::string(5000, 'r')}}}};
        return state.end(one, {{0, one.job, 1, "log", Json::object()},
                               {0, one.job, 1, "artifact", file},
                               {0, one.job, 1, "result", result}});
      });
    for (int told = 0; told < 2; told++)
      out.push_back([](State& state) { return state.outbox_done(state.outbox().front().id); });
    out.push_back([](State& state) {
      return state.outbox_replace(state.outbox().front().id, {{"outcome", "succeeded"}});
    });
    for (const int job : pair)
      out.push_back([=](State& state) { return state.remove(attempt_of_job(job, 0)); });
  }
  return out;
}

}  // namespace

TEST_CASE("the power is cut at every write of the agent's state") {
  auto changes = some_days_work(10);
  changes.push_back(kRestart);
  const Life life = live({}, changes);
  // The log was begun anew and written back meanwhile, or the half of it was not tried.
  size_t to_database = 0, folder_syncs = 0;
  for (const Op& op : life.ops) {
    to_database += op.kind == Op::Kind::write && op.name == "agent.db";
    folder_syncs += op.kind == Op::Kind::sync_folder;
  }
  CHECK(to_database > 20);
  CHECK(folder_syncs > 2);
  size_t second_lives = 0;
  const size_t cuts = cut_everywhere(life, 1, [&](const Image& disk) {
    // It comes up from there, goes on, and the power is cut again.
    second_lives++;
    cut_everywhere(
        live(disk, {[](State& state) { return state.add({attempt_of_job(77, 300)}, "again"); }, kRestart}),
        2);
  });
  MESSAGE(life.ops.size(), " operations, ", cuts, " cuts, ", second_lives, " second lives");
}
