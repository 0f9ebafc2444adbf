#include "queue/session.h"

namespace ffrtmp::queue {

namespace {
// What an agent had under way when it died is one heartbeat: it has one connection and waits for the answer.
constexpr int64_t kProof = 2;
}  // namespace

Hearing hear(Speakers& who, const std::string& session, int64_t beat, int64_t now, int64_t lease) {
  const bool alive = who.beat_at != 0 && now - who.beat_at < lease;
  if (session == who.current) {
    // Without numbers there is no telling what is late.
    if (beat != 0 && beat <= who.beat) return Hearing::late;
    who.beat = beat;
    who.beat_at = now;
    return Hearing::current;
  }
  if (session == who.refused && alive) return Hearing::refused;
  if (session == who.former && !session.empty()) {
    if (beat <= who.former_beat) return Hearing::late;
    who.former_beat = beat;
    if (alive && ++who.former_words < kProof) return Hearing::late;
    const bool two_live = alive;
    if (two_live) who.refused = who.current;
    who.current = session;
    who.beat = beat;
    who.beat_at = now;
    who.former.clear();
    who.former_beat = who.former_words = who.since = 0;
    return two_live ? Hearing::reinstated : Hearing::taken_over;
  }
  who.since = alive && !who.current.empty() ? now : 0;
  who.former = who.current;
  who.former_beat = who.beat;
  who.former_words = 0;
  if (who.refused == session) who.refused.clear();
  who.current = session;
  who.beat = beat;
  who.beat_at = now;
  return Hearing::taken_over;
}

bool settled(const Speakers& who, int64_t now, int64_t lease) {
  return who.since == 0 || now - who.since >= lease;
}

}  // namespace ffrtmp::queue
