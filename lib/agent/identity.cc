#include "agent/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/digest.h"
#include "sys/file.h"
#include "sys/json.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

constexpr char kFile[] = "identity.json";

/// The part of the host's name that may stand in a node's name.
std::string host_part() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  std::string out;
  for (const char c : std::string_view(host)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (c == '.' || out.size() >= 32) break;
    if (plain) out += c;
  }
  return out.empty() ? "node" : out;
}

/// The folder itself, not its name: a copy of it is another one.
std::string folder_mark(const std::string& state_dir) {
  struct stat info {};
  if (::stat(state_dir.c_str(), &info) != 0) return "";
  return std::to_string(info.st_ino);
}

}  // namespace

std::string machine_mark() {
  const std::string id(trim(read_file("/etc/machine-id", 128).value_or("")));
  // Not the id itself: machine-id(5) asks that it be kept confidential.
  return id.empty() ? "" : net::hmac_sha256_hex(id, "ffrtmp-agent").substr(0, 32);
}

Result<Identity> load_identity(const std::string& state_dir, const std::string& wanted_name) {
  const std::string path = state_dir + "/" + kFile;
  const auto text = read_file(path, 65536);
  if (!text && text.error().errnum != ENOENT) return std::unexpected(text.error());
  if (!text) {
    Identity fresh;
    fresh.name = wanted_name.empty() ? host_part() + "-" + net::random_hex(3) : wanted_name;
    fresh.nonce = net::random_hex(16);
    TRY_OK(save_identity(state_dir, fresh));
    return fresh;
  }
  TRY(const Json json, parse_json(*text, path));
  Identity out{text_or(json, "name"), text_or(json, "nonce"), text_or(json, "id"), text_or(json, "token")};
  if (out.name.empty() || out.nonce.size() < 16)
    return bad_input("not an identity:", path, "remove it to register this node anew");
  const std::string machine = text_or(json, "machine"), folder = text_or(json, "folder");
  if ((!machine.empty() && machine != machine_mark()) ||
      (!folder.empty() && folder != folder_mark(state_dir)))
    return bad_input("this identity is a copy of another node's:", path,
                     "two agents must not share one; remove the file to register this node anew");
  if (!wanted_name.empty() && wanted_name != out.name && !out.registered()) out.name = wanted_name;
  return out;
}

Status save_identity(const std::string& state_dir, const Identity& identity) {
  const Json json = {{"schema", 1},
                     {"name", identity.name},
                     {"nonce", identity.nonce},
                     {"id", identity.id},
                     {"token", identity.token},
                     {"machine", machine_mark()},
                     {"folder", folder_mark(state_dir)}};
  TRY(const Fd dir, open_dir(AT_FDCWD, state_dir));
  TRY_OK(write_atomic(dir.get(), kFile, dump_json(json, 1) + "\n", 0600));
  // The name too: results of a node that forgot who it is after a power cut would be a stranger's.
  if (::fsync(dir.get()) != 0) return sys_error("syncing", state_dir);
  return {};
}

}  // namespace ffrtmp::agent
