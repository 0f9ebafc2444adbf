#pragma once

#include "agent/options.h"

namespace ffrtmp::agent {

/// Reads `options.config` (TOML) over what is in `options`; nothing where there is no file. Strict: an
/// unknown key is an error with file, line and column.
Status read_options_file(Options& options);

}  // namespace ffrtmp::agent
