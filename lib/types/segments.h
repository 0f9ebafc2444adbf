#pragma once

#include <optional>
#include <string>

#include "media/verify.h"
#include "sys/json.h"

namespace ffrtmp {

/// Moves finished segments of a recording to where they are kept, looks at each, and lets go of old ones.
class SegmentKeeper {
 public:
  /// `list` is what FFmpeg's segment muxer writes (one name a line, CSV): each name on it is a whole file in
  /// `from`. With `level` none a segment is not looked at.
  SegmentKeeper(std::string list, std::string from, std::string to, std::optional<double> keep_age_s,
                std::optional<double> keep_bytes, VerifyLevel level);
  /// Moves what is new on the list, then removes what is too old or too much, oldest first. Only files that a
  /// recording made are ever removed: those with its name's beginning and ending. A segment that cannot be
  /// read is kept, for there is no second one, and told on standard error.
  void collect();

  /// How many were moved.
  size_t count() const { return count_; }
  /// Those that cannot be read, the first hundred: [{path, reason}].
  const Json& broken() const { return broken_; }

 private:
  void take(const std::string& name);
  void let_go() const;
  std::string list_, from_, to_;
  std::optional<double> keep_age_s_, keep_bytes_;
  VerifyLevel level_;
  uint64_t read_ = 0;  ///< bytes of the list that were read
  size_t count_ = 0;
  Json broken_ = Json::array();
};

}  // namespace ffrtmp
