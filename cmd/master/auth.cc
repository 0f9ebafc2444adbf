#include <algorithm>
#include <unordered_map>

#include "api.h"
#include "net/digest.h"
#include "store/keys.h"

namespace ffrtmp::master {

namespace {

constexpr int64_t kCacheMs = 2000;
constexpr size_t kCachePrune = 512;

struct Cached {
  Principal who;
  int64_t until = 0;
  uint64_t epoch = 0;
};
std::mutex g_mutex;
size_t g_prune_at = kCachePrune;
std::unordered_map<std::string, Cached> g_cache;  // by the digest of the whole token, never by the token

Authentication refuse(std::string why) { return {401, {}, std::move(why)}; }

Authentication look_up(App& app, const std::string& token) {
  const size_t cut = token.rfind('_');
  const bool node = token.starts_with("ffn_");
  if ((!node && !token.starts_with("ffk_")) || cut == std::string::npos || cut < 5 || token.size() > 200)
    return refuse("not a key of this master");
  const std::string id = token.substr(4, cut - 4), hash = net::sha256_hex(token.substr(cut + 1));
  Authentication out;
  bool good = false;
  std::string why = "not a key of this master";
  const Status asked = app.read([&](store::Tx& tx) -> Status {
    if (node) {
      auto found = store::get_node(tx, id);
      if (!found) return found.error().errnum == ENOENT ? Status{} : std::unexpected(found.error());
      // Both compared always: which of them fits is not told by the time it takes.
      const bool now = net::equal_in_constant_time(hash, found->token_hash);
      const bool old =
          net::equal_in_constant_time(hash, found->old_token_hash) && found->old_token_until > tx.now();
      good = now || old;
      if (good && found->revoked) good = false, why = "the node's token was revoked";
      out.who = {"node", id, "node", ""};
      return {};
    }
    auto found = store::get_key(tx, id);
    if (!found) return found.error().errnum == ENOENT ? Status{} : std::unexpected(found.error());
    good = net::equal_in_constant_time(hash, found->hash);
    if (good && found->revoked_at != 0) good = false, why = "the key was revoked";
    if (good && found->expires_at != 0 && found->expires_at <= tx.now())
      good = false, why = "the key has expired";
    out.who = {"key", id, found->role, found->tenant};
    return {};
  });
  if (!asked) return {503, {}, "the database does not answer"};
  if (!good) return refuse(why);
  return out;
}

}  // namespace

Authentication authenticate(App& app, const net::Request& request) {
  if (!app.options.client_ca.empty() && !request.client_verified)
    return refuse("a client certificate is required");
  const std::string& header = request.header("authorization");
  if (header.empty()) return refuse("give an API key: Authorization: Bearer …");
  if (!header.starts_with("Bearer ")) return refuse("only Bearer keys are taken");
  const std::string token = header.substr(7), digest = net::sha256(token);
  const int64_t now = monotonic_ms();
  const uint64_t epoch = app.auth_epoch;
  {
    const std::lock_guard lock(g_mutex);
    if (const auto found = g_cache.find(digest);
        found != g_cache.end() && found->second.until > now && found->second.epoch == epoch)
      return {0, found->second.who, ""};
  }
  Authentication out = look_up(app, token);
  if (out.status == 0) {
    const std::lock_guard lock(g_mutex);
    if (g_cache.size() >= g_prune_at) {
      std::erase_if(g_cache, [&](const auto& entry) { return entry.second.until <= now; });
      g_prune_at = std::max(kCachePrune, g_cache.size() * 2);
    }
    g_cache[digest] = {out.who, now + kCacheMs, epoch};
  }
  return out;
}

Token make_token(const char* prefix, const std::string& id_prefix) {
  Token out;
  out.id = id_prefix + net::random_hex(6);
  out.secret = net::random_hex(32);
  out.text = std::string(prefix) + out.id + "_" + out.secret;
  return out;
}

}  // namespace ffrtmp::master
