#pragma once

#include <optional>
#include <string>

namespace ffrtmp {

/// Moves finished segments of a recording to where they are kept, and lets go of old ones.
class SegmentKeeper {
 public:
  /// `list` is what FFmpeg's segment muxer writes (one name a line, CSV): each name on it is a whole file in
  /// `from`.
  SegmentKeeper(std::string list, std::string from, std::string to, std::optional<double> keep_age_s,
                std::optional<double> keep_bytes);
  /// Moves what is new on the list, then removes what is too old or too much, oldest first. Only files that a
  /// recording made are ever removed: those with its name's beginning and ending. Returns how many were
  /// moved.
  size_t collect();

 private:
  void let_go() const;
  std::string list_, from_, to_;
  std::optional<double> keep_age_s_, keep_bytes_;
};

}  // namespace ffrtmp
