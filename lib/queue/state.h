#pragma once

#include <array>
#include <string>
#include <string_view>

namespace ffrtmp::queue {

/// The states of a job, as they stand in the database and in the API:
/// queued → offered → running → succeeded | failed | cancelled; a failed attempt goes back to queued.
inline const std::array<std::string, 6> kStates = {"queued",    "offered", "running",
                                                   "succeeded", "failed",  "cancelled"};

inline bool finished(std::string_view s) { return s == "succeeded" || s == "failed" || s == "cancelled"; }
inline bool active(std::string_view s) { return s == "offered" || s == "running"; }

/// The states of an attempt: offered → running → succeeded | failed | cancelled; or lost (its node fell
/// silent), withdrawn (never accepted in time) or superseded (another attempt's result was taken).
namespace attempt {
inline constexpr std::string_view kLost = "lost", kWithdrawn = "withdrawn", kSuperseded = "superseded";
}

inline const std::array<std::string, 3> kQueues = {"live", "default", "batch"};
inline const std::array<std::string, 3> kPriorities = {"high", "medium", "low"};

}  // namespace ffrtmp::queue
