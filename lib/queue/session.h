#pragma once

#include <cstdint>
#include <string>

namespace ffrtmp::queue {

/// Who speaks as a node. An agent makes itself a session at each start, and numbers its heartbeats; two
/// sessions that speak in turns are two agents with one identity (a copied disk, a restored snapshot). Times
/// in milliseconds on the database's clock; empty and 0 mean "none".
struct Speakers {
  std::string current;  ///< the session whose word counts
  int64_t beat = 0;     ///< its newest heartbeat
  int64_t beat_at = 0;  ///< when that came
  std::string former;   ///< the session before it
  int64_t former_beat = 0;
  int64_t former_words = 0;  ///< how often the former one has spoken anew since
  int64_t since = 0;         ///< when `current` took over from one that might still live; 0: from nobody
  std::string refused;       ///< the session that turned out to be a copy
};

enum class Hearing {
  current,     ///< the next word of the session that counts
  taken_over,  ///< a new session: the agent was started anew, as far as one can tell
  late,        ///< a repeated or delayed word: it counts for nothing
  reinstated,  ///< the former session lives after all: it was here first, the newcomer is refused from now on
  refused,     ///< a copy's word
};
/// Judges a heartbeat and remembers it in `who`. A restarted agent takes over at once, and its predecessor
/// never speaks again, but for what was under way when it ended: so one late word proves nothing, and two
/// that rise do. The copy is refused as long as the other one speaks at least once a `lease`.
Hearing hear(Speakers& who, const std::string& session, int64_t beat, int64_t now, int64_t lease);

/// Whether the session that counts has stood long enough to say that jobs of the one before it are gone.
/// Until then the former one may still prove that it lives, and its jobs with it.
bool settled(const Speakers& who, int64_t now, int64_t lease);

}  // namespace ffrtmp::queue
