#pragma once

namespace ffrtmp {

/// Where in a file that somebody typed something stands, for errors.
struct SourcePlace {
  unsigned line = 0, column = 0;
};

}  // namespace ffrtmp
