#include "agent/metrics.h"

#include <cstdio>

namespace ffrtmp::agent {

namespace {

void counter(std::string& out, const char* name, const char* help, uint64_t value) {
  const std::string full = std::string("ffrtmp_agent_") + name;
  out += "# TYPE " + full + " counter\n# HELP " + full + " " + help + "\n" + full + "_total " +
         std::to_string(value) + "\n";
}

void gauge_head(std::string& out, const char* name, const char* help) {
  const std::string full = std::string("ffrtmp_agent_") + name;
  out += "# TYPE " + full + " gauge\n# HELP " + full + " " + help + "\n";
}

void gauge(std::string& out, const char* name, const char* help, double value) {
  gauge_head(out, name, help);
  char text[64];
  snprintf(text, sizeof text, "%.17g", value);
  out += std::string("ffrtmp_agent_") + name + " " + text + "\n";
}

}  // namespace

std::string metrics_text(const Counters& c, const Gauges& g) {
  std::string out;
  counter(out, "grants", "Attempts that a master offered.", c.granted);
  counter(out, "attempts_accepted", "Attempts that became ours.", c.accepted);
  counter(out, "attempts_launched", "Attempts handed to ffrtmp.", c.launched);
  counter(out, "attempts_adopted", "Attempts of an earlier agent taken up again.", c.adopted);
  counter(out, "attempts_succeeded", "Attempts that ended well.", c.succeeded);
  counter(out, "attempts_failed", "Attempts that failed.", c.failed);
  counter(out, "attempts_cancelled", "Attempts that were cancelled.", c.cancelled);
  counter(out, "attempts_dropped", "Attempts that were given to somebody else.", c.dropped);
  counter(out, "results_acknowledged", "Results that a master has taken.", c.results_told);
  counter(out, "heartbeats", "Heartbeats that were answered.", c.beats);
  counter(out, "heartbeats_failed", "Heartbeats without an answer.", c.failed_beats);
  counter(out, "polls", "Polls for work that were answered.", c.polls);
  counter(out, "polls_failed", "Polls for work without an answer.", c.failed_polls);
  counter(out, "artifact_bytes", "Bytes of artifacts that arrived.", c.artifact_bytes);
  counter(out, "log_bytes", "Bytes of logs that arrived.", c.log_bytes);
  gauge_head(out, "attempts", "Attempts that the node has, by step.");
  for (size_t i = 0; i < g.by_step.size(); i++)
    out += "ffrtmp_agent_attempts{step=\"" + std::string(step_name(static_cast<Step>(i))) + "\"} " +
           std::to_string(g.by_step[i]) + "\n";
  gauge(out, "slots", "Jobs that may run at once.", static_cast<double>(g.slots));
  gauge(out, "outbox_items", "What waits to be told to a master.", static_cast<double>(g.outbox));
  gauge(out, "disk_free_bytes", "Free for work, beside the reserve.", static_cast<double>(g.disk_free));
  gauge(out, "resident_bytes", "Memory of the agent itself.", static_cast<double>(g.resident_bytes));
  gauge(out, "master_reached", "1 when the last request was answered.", g.master_reached ? 1 : 0);
  gauge(out, "master_silent_seconds", "Since a master was heard last.", g.silent_s);
  gauge(out, "draining", "1 when no work is taken.", g.draining ? 1 : 0);
  gauge(out, "ready", "1 when the node can work now.", g.ready ? 1 : 0);
  return out + "# EOF\n";
}

}  // namespace ffrtmp::agent
