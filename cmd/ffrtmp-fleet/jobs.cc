#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <thread>

#include "net/digest.h"
#include "output.h"
#include "sys/file.h"
#include "sys/text.h"
#include "verbs.h"

namespace ffrtmp::fleet {

namespace {

using Http = client::HttpClient;
constexpr size_t kPiece = 4u << 20;

bool finished(const std::string& state) {
  return state == "succeeded" || state == "failed" || state == "cancelled";
}

std::string job_path(const std::string& id) { return "/api/v1/jobs/" + encode(id); }

struct LocalFile {
  std::string name, sha256;
  int64_t size = 0;
  Fd fd;
};

Result<LocalFile> read_local(const std::string& path) {
  LocalFile out;
  TRY(out.fd, open_at(AT_FDCWD, path, O_RDONLY));
  out.name = path.substr(path.rfind('/') + 1);
  net::Sha256 sum;
  std::string buffer(kPiece, '\0');
  for (;;) {
    const ssize_t got = ::read(out.fd.get(), buffer.data(), buffer.size());
    if (got < 0) return sys_error("reading", path);
    if (got == 0) break;
    sum.add({buffer.data(), static_cast<size_t>(got)});
    out.size += got;
  }
  out.sha256 = sum.finish_hex();
  return out;
}

/// Goes on where the master stands, whatever happened before.
Status upload(Http& http, const std::string& id, const LocalFile& file) {
  int64_t offset = 0;
  std::string buffer(kPiece, '\0');
  for (int failures = 0; failures < 5;) {
    const ssize_t got = ::pread(file.fd.get(), buffer.data(), buffer.size(), offset);
    if (got < 0) return sys_error("reading", file.name);
    const auto answer = http.request(
        "PATCH", job_path(id) + "/inputs/" + encode(file.name), {buffer.data(), static_cast<size_t>(got)},
        {{"Upload-Offset", std::to_string(offset)}, {"Content-Type", "application/octet-stream"}}, 300);
    if (!answer) {
      failures++;
      std::this_thread::sleep_for(std::chrono::seconds(1));
      continue;
    }
    if (answer->status != 200 && answer->status != 409)
      return bad_input("the upload was refused:", file.name, answer->body.substr(0, 300));
    if (answer->status == 200 && answer->body.find("\"complete\"") != std::string::npos) return {};
    const auto next = parse_i64(answer->header("upload-offset"));
    if (!next) return bad_input("the upload was refused:", file.name, answer->body.substr(0, 300));
    offset = *next;
    failures += answer->status == 409 ? 1 : 0;
  }
  return sys_error("uploading", file.name, ETIMEDOUT);
}

/// Until the job has ended. With `show` a line for each change; one that stays queued says why.
Result<Json> wait_for(Http& http, const std::string& id, bool show) {
  std::string last;
  constexpr int kLooksBeforeWhy = 7;
  for (int failures = 0, looks = 0;; looks++) {
    const auto job = ask(http, "GET", job_path(id));
    if (!job) {
      // A master that restarts is no reason to stop waiting.
      if (++failures > 60) return std::unexpected(job.error());
    } else {
      failures = 0;
      const std::string state = job->value("state", "");
      std::string line = state;
      if (const auto progress = job->find("progress"); progress != job->end()) line += " " + progress->dump();
      if (show && state == "queued" && looks % kLooksBeforeWhy == kLooksBeforeWhy - 1)
        if (const auto why = ask(http, "GET", job_path(id) + "/why")) line += ": " + why->value("why", "");
      const bool known = line == last || (line == "queued" && last.starts_with(line));  // with its reason
      if (show && !known) std::cout << id << " " << printable(line) << std::endl;
      if (!known) last = line;
      if (finished(state)) return *job;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
  }
}

int code_of(const Json& job) { return job.value("state", "") == "succeeded" ? kOk : kJobFailed; }

void print_job(const Profile& profile, const Json& job) {
  if (profile.json) {
    std::cout << dump_json(job, 2) << "\n";
    return;
  }
  for (const auto& [key, value] : job.items()) std::cout << key << ": " << cell(job, key.c_str()) << "\n";
}

struct SubmitArgs {
  std::string type, input, output, queue, priority, name, tenant, not_before, deadline, idempotency;
  std::vector<std::string> params, labels, require, after;
  int64_t count = 1, max_attempts = 0;
  double run_timeout = 0;
  bool wait = false;
};

/// "crf=23" gives a number, "fast=true" a truth value, 'sizes=[64,128]' a list, anything else a string.
Status put_pair(Json& into, const std::string& pair, const char* flag, bool typed) {
  const size_t equals = pair.find('=');
  if (equals == std::string::npos || equals == 0)
    return bad_input(std::string("not KEY=VALUE in ") + flag + ":", pair);
  const std::string key = pair.substr(0, equals), value = pair.substr(equals + 1);
  const auto parsed = parse_json(value, key);
  const bool meant = typed && parsed && (parsed->is_number() || parsed->is_boolean() || parsed->is_array());
  into[key] = meant ? *parsed : Json(value);
  return {};
}

Result<int> submit(Http& http, const Profile& profile, const SubmitArgs& args) {
  Json body;
  body["type"] = args.type;
  std::vector<LocalFile> files;
  if (!args.input.empty()) {
    // A path on this machine is uploaded; a URL, or a path that is only on the node, is passed on.
    if (args.input.find("://") == std::string::npos && ::access(args.input.c_str(), R_OK) == 0) {
      TRY(LocalFile file, read_local(args.input));
      Json one;
      one["name"] = file.name;
      one["size"] = file.size;
      one["sha256"] = file.sha256;
      body["inputs"] = Json::array({one});
      body["input"] = file.name;
      files.push_back(std::move(file));
    } else {
      body["input"] = args.input;
    }
  }
  const std::pair<const char*, const std::string*> texts[] = {
      {"output", &args.output},    {"queue", &args.queue},   {"priority", &args.priority},
      {"name", &args.name},        {"tenant", &args.tenant}, {"not_before", &args.not_before},
      {"deadline", &args.deadline}};
  for (const auto& [field, value] : texts)
    if (!value->empty()) body[field] = *value;
  for (const auto& pair : args.params) TRY_OK(put_pair(body["params"], pair, "-p", true));
  for (const auto& pair : args.labels) TRY_OK(put_pair(body["labels"], pair, "--label", false));
  for (const auto& pair : args.require) {
    if (pair.starts_with("label:"))
      TRY_OK(put_pair(body["require"]["labels"], pair.substr(6), "--require", false));
    else
      TRY_OK(put_pair(body["require"], pair, "--require", true));
  }
  if (!args.after.empty()) body["after"] = args.after;
  if (args.count > 1) body["count"] = args.count;
  if (args.max_attempts > 0) body["max_attempts"] = args.max_attempts;
  if (args.run_timeout > 0) body["run_timeout_s"] = args.run_timeout;
  // Repeated by itself after a lost answer: the key makes it one submission.
  const std::string token = args.idempotency.empty() ? net::random_hex(16) : args.idempotency;
  Result<client::Answer> answer = std::unexpected(Error{});
  for (int attempt = 0; attempt < 3; attempt++) {
    answer = http.request("POST", "/api/v1/jobs", dump_json(body),
                          {{"Content-Type", "application/json"}, {"Idempotency-Key", token}});
    if (answer && answer->status != 503) break;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  if (!answer) return std::unexpected(answer.error());
  TRY(const Json made, parse_json(answer->body, "the master's answer"));
  if (answer->status >= 400) {
    std::string what = made.value("detail", "refused");
    if (const auto errors = made.find("errors"); errors != made.end())
      for (const Json& error : *errors)
        what += "; " + error.value("field", "") + " " + error.value("detail", "");
    return bad_input(printable(what), "");
  }
  if (!made.contains("id")) {
    if (profile.json)
      std::cout << dump_json(made) << "\n";
    else
      for (const Json& id : made["ids"]) std::cout << id.get<std::string>() << "\n";
    if (!args.wait) return kOk;
    int code = kOk;
    for (const Json& id : made["ids"]) {
      TRY(const Json job, wait_for(http, id, false));
      code = std::max(code, code_of(job));
    }
    return code;
  }
  const std::string id = made["id"];
  for (const LocalFile& file : files) TRY_OK(upload(http, id, file));
  if (!args.wait) {
    if (profile.json)
      std::cout << dump_json(made) << "\n";
    else
      std::cout << id << "\n";
    return kOk;
  }
  TRY(const Json job, wait_for(http, id, !profile.json));
  if (profile.json) std::cout << dump_json(job) << "\n";
  return code_of(job);
}

Result<int> list(Http& http, const Profile& profile, const std::string& state, int64_t limit) {
  TRY(const Json page,
      ask(http, "GET",
          "/api/v1/jobs?limit=" + std::to_string(limit) + (state.empty() ? "" : "&state=" + encode(state))));
  if (profile.json) {
    std::cout << dump_json(page) << "\n";
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& job : page["jobs"])
    rows.push_back({cell(job, "id"), cell(job, "type"),
                    cell(job, "state") + (job.contains("hold") ? " (" + cell(job, "hold") + ")" : ""),
                    cell(job, "queue"), cell(job, "priority"), cell(job, "node"), cell(job, "created_at")});
  print_table({"JOB", "TYPE", "STATE", "QUEUE", "PRIORITY", "NODE", "CREATED"}, rows);
  return kOk;
}

Result<int> logs(Http& http, const std::string& id, bool follow) {
  int64_t offset = 0;
  for (;;) {
    TRY(const client::Answer answer,
        http.request("GET", job_path(id) + "/logs?offset=" + std::to_string(offset)));
    if (answer.status != 200) return bad_input("no logs:", id, answer.body.substr(0, 200));
    std::cout << answer.body << std::flush;
    const int64_t next = parse_i64(answer.header("x-log-next")).value_or(offset);
    const bool more = next > offset;
    offset = next;
    if (!more && (!follow || finished(answer.header("x-job-state")))) return kOk;
    if (!more) std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

Result<int> artifacts(Http& http, const Profile& profile, const std::string& id, const std::string& folder) {
  Json page = {{"files", Json::array()}};
  for (std::string cursor;;) {
    TRY(const Json part,
        ask(http, "GET", job_path(id) + "/artifacts" + (cursor.empty() ? "" : "?cursor=" + encode(cursor))));
    for (const Json& file : part["files"]) page["files"].push_back(file);
    cursor = text_or(part, "next");
    if (cursor.empty()) break;
  }
  if (profile.json && folder.empty()) {
    std::cout << dump_json(page) << "\n";
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& file : page["files"]) {
    rows.push_back({cell(file, "name"), cell(file, "attempt"), cell(file, "size"), cell(file, "state"),
                    cell(file, "sha256")});
    if (folder.empty() || file.value("state", "") != "complete") continue;
    const std::string name = file.value("name", "");
    if (name.empty() || name.find('/') != std::string::npos || name[0] == '.')
      return bad_input("not a file name:", name);
    // Under another name until it is whole and right.
    const std::string part = folder + "/" + name + ".part";
    TRY(const Fd out, open_at(AT_FDCWD, part, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    net::Sha256 sum;
    Status wrote;
    TRY(const client::Answer answer,
        http.stream(job_path(id) + "/artifacts/" + encode(name) + "?attempt=" + cell(file, "attempt"), {},
                    86'400, [&](std::string_view data) {
                      sum.add(data);
                      wrote = write_all(out.get(), data);
                      return wrote.has_value();
                    }));
    if (!wrote) return std::unexpected(wrote.error());
    if (answer.status != 200 || sum.finish_hex() != file.value("sha256", ""))
      return bad_input("the artifact arrived damaged:", name, "try again");
    if (::rename(part.c_str(), (folder + "/" + name).c_str()) != 0) return sys_error("renaming", part);
  }
  print_table({"NAME", "ATTEMPT", "SIZE", "STATE", "SHA256"}, rows);
  return kOk;
}

}  // namespace

void add_jobs(CLI::App& app, Profile& profile, int& code) {
  CLI::App* jobs = app.add_subcommand("jobs", "Submit and watch jobs")->require_subcommand(1);
  static SubmitArgs args;
  CLI::App* one = jobs->add_subcommand("submit", "Submit a job; a local input is uploaded");
  one->add_option("type", args.type, "job type")->required();
  one->add_option("input", args.input, "URL, path on the node, or a local file");
  one->add_option("-o,--output", args.output, "name of an artifact, path on the node, or URL");
  one->add_option("-p,--param", args.params, "KEY=VALUE, as the job type takes it; a list: [\"a\",\"b\"]");
  one->add_option("--queue", args.queue, "live, default, batch");
  one->add_option("--priority", args.priority, "high, medium, low");
  one->add_option("--label", args.labels, "KEY=VALUE, kept with it");
  one->add_option("--require", args.require, "cores=4, memory_bytes=…, gpu=true, label:KEY=VALUE");
  one->add_option("--after", args.after, "ids that must succeed first");
  one->add_option("--name", args.name, "for people");
  one->add_option("--tenant", args.tenant, "whose share it uses");
  one->add_option("--not-before", args.not_before, "2026-12-31T00:00:00Z");
  one->add_option("--deadline", args.deadline, "given up when not started by then");
  one->add_option("--count", args.count, "so many of it, as an array");
  one->add_option("--max-attempts", args.max_attempts, "runs at most so often");
  one->add_option("--run-timeout", args.run_timeout, "seconds that one run may take");
  one->add_option("--idempotency-key", args.idempotency, "sent again with it, it is the same job");
  one->add_flag("--wait", args.wait, "until it ends; exit code 3 when it failed");
  one->callback(
      [&] { code = with_master(profile, [&](Http& http) { return submit(http, profile, args); }); });

  static std::string id, state, folder, reason;
  static int64_t limit = 100;
  static bool follow = false;
  CLI::App* all = jobs->add_subcommand("list", "List jobs, newest first");
  all->add_option("--state", state, "only those: queued, running, succeeded, failed, …");
  all->add_option("--limit", limit, "at most so many")->check(CLI::Range(1, 1000));
  all->callback(
      [&] { code = with_master(profile, [&](Http& http) { return list(http, profile, state, limit); }); });
  CLI::App* status = jobs->add_subcommand("status", "One job");
  status->add_option("id", id, "as jobs list shows it")->required();
  status->add_flag("-f,--follow", follow, "until it ends");
  status->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      if (follow) {
        TRY(const Json job, wait_for(http, id, !profile.json));
        print_job(profile, job);
        return code_of(job);
      }
      TRY(const Json job, ask(http, "GET", job_path(id)));
      print_job(profile, job);
      return kOk;
    });
  });
  const std::pair<const char*, const char*> verbs[] = {{"cancel", "Cancel a job"},
                                                       {"pause", "Hold a job"},
                                                       {"resume", "Let it go on, also out of quarantine"},
                                                       {"retry", "Queue a failed or cancelled job again"}};
  for (const auto& [verb, help] : verbs) {
    CLI::App* sub = jobs->add_subcommand(verb, help);
    sub->add_option("id", id, "as jobs list shows it")->required();
    sub->callback([&code, &profile, name = std::string(verb)] {
      code = with_master(profile, [&](Http& http) -> Result<int> {
        TRY(const Json job, ask(http, "POST", job_path(id) + "/" + name, Json::object()));
        if (profile.json)
          std::cout << dump_json(job) << "\n";
        else
          std::cout << id << " " << cell(job, "state") << "\n";
        return kOk;
      });
    });
  }
  CLI::App* log = jobs->add_subcommand("logs", "What the job printed");
  log->add_option("id", id, "as jobs list shows it")->required();
  log->add_flag("-f,--follow", follow, "until it ends");
  log->callback([&] { code = with_master(profile, [&](Http& http) { return logs(http, id, follow); }); });
  CLI::App* why = jobs->add_subcommand("why", "Why it does not run");
  why->add_option("id", id, "as jobs list shows it")->required();
  why->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      TRY(const Json out, ask(http, "GET", job_path(id) + "/why"));
      if (profile.json) {
        std::cout << dump_json(out) << "\n";
        return kOk;
      }
      std::cout << cell(out, "why") << "\n";
      if (out.contains("fleet") && out["fleet"]["nearest"].is_object()) {
        const Json& nearest = out["fleet"]["nearest"];
        for (const Json& lack : nearest["unmet"])
          std::cout << "  nearest node " << cell(nearest, "name") << ": " << cell(lack, "what") << " wanted "
                    << cell(lack, "wanted") << ", has " << cell(lack, "has") << "\n";
      }
      return kOk;
    });
  });
  CLI::App* files =
      jobs->add_subcommand("artifacts", "List what it produced; --fetch DIR downloads and verifies it");
  files->add_option("id", id, "as jobs list shows it")->required();
  files->add_option("--fetch", folder, "download all of it there")->check(CLI::ExistingDirectory);
  files->callback(
      [&] { code = with_master(profile, [&](Http& http) { return artifacts(http, profile, id, folder); }); });
}

}  // namespace ffrtmp::fleet
