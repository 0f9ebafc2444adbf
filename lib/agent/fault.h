#pragma once

namespace ffrtmp::agent {

/// Where tests kill the agent: with FFRTMP_AGENT_FAULT=NAME in its environment it dies by SIGKILL at the
/// first point of that name. Nothing happens otherwise.
void fault_point(const char* name);

}  // namespace ffrtmp::agent
