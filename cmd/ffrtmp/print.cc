#include "print.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp {

int print_out(const std::string& text) {
  if (write_all(STDOUT_FILENO, text)) return 0;
  print_err("ffrtmp: standard output cannot be written\n");
  return static_cast<int>(ExitCode::ours);
}

void print_err(const std::string& text) { (void)write_all(STDERR_FILENO, text); }

bool colour_on(int fd) {
  const char* off = ::getenv("NO_COLOR");
  return (!off || !*off) && ::isatty(fd);
}

namespace {

/// Columns a text takes on a terminal: code points, which is right for all that we print.
size_t width(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> clean;
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    auto& line = clean.emplace_back();
    for (size_t i = 0; i < row.size(); i++) {
      line.push_back(printable(row[i]));
      if (i >= widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width(line[i]));
    }
  }
  std::string out;
  for (const auto& row : clean) {
    for (size_t i = 0; i < row.size(); i++) {
      out += row[i];
      if (i + 1 < row.size()) out += std::string(widths[i] - width(row[i]) + 2, ' ');
    }
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
  }
  return out;
}

std::string receipt_text(const Record& record, bool colour) {
  const Receipt& receipt = record.receipt;
  std::string out = "ffrtmp: job " + record.job_id;
  if (record.workload) out += ", pid " + std::to_string(record.workload->pid);
  if (receipt.cgroup.empty())
    out += ", no cgroup";
  else
    out += ", " + receipt.placement + (receipt.unit.empty() ? "" : " " + receipt.unit) + ", cgroup " +
           receipt.cgroup;
  out = printable(out) + "\n";
  if (!receipt.rows.empty()) {
    std::vector<std::vector<std::string>> rows{{"  limit", "asked", "in force", "effective", "by"}};
    for (const auto& row : receipt.rows) {
      const char* mark = row.strength == Strength::enforced   ? "  "
                         : row.strength == Strength::advisory ? "~ "
                                                              : "! ";
      const auto cell = [](const ShownValue& value) {
        return value.text.empty() ? std::string("-") : value.text;
      };
      std::string by = row.mechanism + (row.why.empty() ? "" : ": " + row.why);
      rows.push_back({mark + row.name, cell(row.asked), cell(row.in_force), cell(row.effective), by});
    }
    std::string text = table(rows);
    if (colour) {
      // Colour by line, after the columns were measured.
      std::string coloured;
      for (const std::string_view line : lines(text)) {
        const char* tint = line.starts_with("! ")   ? "\033[31m"
                           : line.starts_with("~ ") ? "\033[33m"
                           : coloured.empty()       ? "\033[2m"
                                                    : "";
        coloured += tint + std::string(line) + (*tint ? "\033[0m" : "") + "\n";
      }
      text = coloured;
    }
    out += text;
  }
  for (const auto& note : receipt.notes) out += "  note: " + printable(note) + "\n";
  return out;
}

std::string usage_text(const Usage& usage) {
  std::vector<std::string> parts;
  const auto seconds = [](double value) {
    return format_duration(Duration(static_cast<int64_t>(value * 1e9)));
  };
  const auto bytes = [&](const std::optional<uint64_t>& value, const char* before) {
    if (value) parts.push_back(before + format_bytes(Bytes{*value}));
  };
  if (usage.cpu_user_s && usage.cpu_system_s) {
    const bool throttled = usage.throttled_s && *usage.throttled_s >= 0.001;
    parts.push_back("CPU " + seconds(*usage.cpu_user_s + *usage.cpu_system_s) +
                    (throttled ? " (throttled " + seconds(*usage.throttled_s) + ")" : ""));
  }
  bytes(usage.memory_peak_bytes, "memory peak ");
  bytes(usage.io_read_bytes, "read ");
  bytes(usage.io_write_bytes, "wrote ");
  return join(parts, ", ");
}

std::string ending_text(const Record& record, const Ending& ending, const Verdict& verdict) {
  std::string out = printable("ffrtmp: job " + record.job_id + ": " + verdict.reason) + "\n";
  if (verdict.outcome == Outcome::detached) return out;
  const std::string usage = usage_text(ending.usage);
  out += "  " + format_duration(ending.duration) + (usage.empty() ? "" : ", " + usage) + "\n";
  if (ending.left_behind > 0)
    out +=
        "  note: " + std::to_string(ending.left_behind) + " processes of the job still run in its cgroup\n";
  return out;
}

}  // namespace ffrtmp
