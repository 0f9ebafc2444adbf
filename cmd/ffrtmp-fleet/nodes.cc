#include <iostream>

#include "output.h"
#include "verbs.h"

namespace ffrtmp::fleet {

namespace {
using Http = client::HttpClient;

/// Nodes are named by id or by name.
Result<std::string> node_id(Http& http, const std::string& name) {
  if (name.starts_with("n-")) return name;
  std::string cursor;
  for (;;) {
    TRY(const Json page,
        ask(http, "GET", "/api/v1/nodes?limit=1000" + (cursor.empty() ? "" : "&cursor=" + encode(cursor))));
    for (const Json& node : page["nodes"])
      if (node.value("name", "") == name) return node.value("id", "");
    if (!page["next"].is_string()) return bad_input("no such node:", name);
    cursor = page["next"];
  }
}

Result<int> list(Http& http, const Profile& profile) {
  TRY(const Json page, ask(http, "GET", "/api/v1/nodes?limit=1000"));
  if (profile.json) {
    std::cout << dump_json(page) << "\n";
    return kOk;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& node : page["nodes"]) {
    std::string state = cell(node, "state");
    if (node.value("cordoned", false)) state += ", cordoned";
    if (node.value("draining", false)) state += ", draining";
    rows.push_back({cell(node, "name"), cell(node, "id"), state, cell(node["capabilities"], "cores"),
                    cell(node, "last_seen"), cell(node, "note")});
  }
  print_table({"NAME", "NODE", "STATE", "CORES", "LAST SEEN", "NOTE"}, rows);
  return kOk;
}
}  // namespace

void add_nodes(CLI::App& app, Profile& profile, int& code) {
  CLI::App* nodes = app.add_subcommand("nodes", "See and tend nodes")->require_subcommand(1);
  static std::string name, reason;
  static bool force = false;
  nodes->add_subcommand("list", "List nodes")->callback([&] {
    code = with_master(profile, [&](Http& http) { return list(http, profile); });
  });
  CLI::App* describe = nodes->add_subcommand("describe", "One node and its jobs");
  describe->add_option("node", name, "name or id")->required();
  describe->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      TRY(const std::string id, node_id(http, name));
      TRY(const Json node, ask(http, "GET", "/api/v1/nodes/" + encode(id)));
      std::cout << dump_json(node, 2) << "\n";
      return kOk;
    });
  });
  const std::pair<const char*, const char*> verbs[] = {{"drain", "Finish what runs, take nothing new"},
                                                       {"undrain", "Take jobs again"},
                                                       {"cordon", "Take nothing new"},
                                                       {"uncordon", "Take jobs again, and forget failures"},
                                                       {"revoke", "Its token is good no more"}};
  for (const auto& [verb, help] : verbs) {
    CLI::App* sub = nodes->add_subcommand(verb, help);
    sub->add_option("node", name, "name or id")->required();
    sub->add_option("--reason", reason, "for those who look later");
    sub->callback([&code, &profile, what = std::string(verb)] {
      code = with_master(profile, [&](Http& http) -> Result<int> {
        TRY(const std::string id, node_id(http, name));
        TRY(const Json node,
            ask(http, "POST", "/api/v1/nodes/" + encode(id) + "/" + what, Json{{"reason", reason}}));
        if (profile.json) std::cout << dump_json(node) << "\n";
        return kOk;
      });
    });
  }
  CLI::App* remove = nodes->add_subcommand("remove", "Take a node out of the fleet");
  remove->add_option("node", name, "name or id")->required();
  remove->add_flag("--force", force, "its jobs go to others");
  remove->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      TRY(const std::string id, node_id(http, name));
      TRY(const Json done, ask(http, "DELETE", "/api/v1/nodes/" + encode(id) + (force ? "?force=true" : "")));
      if (profile.json) std::cout << dump_json(done) << "\n";
      return kOk;
    });
  });
}

void add_keys(CLI::App& app, Profile& profile, int& code) {
  CLI::App* keys = app.add_subcommand("keys", "API keys")->require_subcommand(1);
  static std::string name, role, tenant, expires, id;
  CLI::App* create = keys->add_subcommand("create", "Make a key; it is shown once");
  create->add_option("name", name, "whose key it is")->required();
  create->add_option("--role", role, "admin, submit, worker")->required();
  create->add_option("--tenant", tenant, "the tenant of its jobs");
  create->add_option("--expires", expires, "not valid from then on: 2026-12-31T00:00:00Z");
  create->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      Json body{{"name", name}, {"role", role}};
      if (!tenant.empty()) body["tenant"] = tenant;
      if (!expires.empty()) body["expires_at"] = expires;
      TRY(const Json key, ask(http, "POST", "/api/v1/keys", body));
      std::cout << (profile.json ? dump_json(key) : cell(key, "key")) << "\n";
      return kOk;
    });
  });
  keys->add_subcommand("list", "List keys")->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      TRY(const Json page, ask(http, "GET", "/api/v1/keys"));
      if (profile.json) {
        std::cout << dump_json(page) << "\n";
        return kOk;
      }
      std::vector<std::vector<std::string>> rows;
      for (const Json& key : page["keys"])
        rows.push_back({cell(key, "id"), cell(key, "name"), cell(key, "role"), cell(key, "tenant"),
                        cell(key, "expires_at"), cell(key, "revoked_at")});
      print_table({"KEY", "NAME", "ROLE", "TENANT", "EXPIRES", "REVOKED"}, rows);
      return kOk;
    });
  });
  CLI::App* revoke = keys->add_subcommand("revoke", "Refuse a key from now on");
  revoke->add_option("id", id, "as keys list shows it")->required();
  revoke->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      TRY(const Json key, ask(http, "DELETE", "/api/v1/keys/" + encode(id)));
      if (profile.json) std::cout << dump_json(key) << "\n";
      return kOk;
    });
  });
}

void add_master(CLI::App& app, Profile& profile, int& code) {
  CLI::App* master = app.add_subcommand("master", "The master itself")->require_subcommand(1);
  master->add_subcommand("ping", "Whether it answers and its database can be written")->callback([&] {
    code = with_master(profile, [&](Http& http) -> Result<int> {
      TRY(const Json ready, ask(http, "GET", "/ready"));
      std::cout << (profile.json ? dump_json(ready) : cell(ready, "status")) << "\n";
      return kOk;
    });
  });
  CLI::App* config =
      app.add_subcommand("config", "How this command reaches the master")->require_subcommand(1);
  config->add_subcommand("show", "The settings in force, without the key")->callback([&] {
    if (const Status ready = complete(profile); !ready) {
      complain(ready.error());
      code = kUsage;
      return;
    }
    Json out{{"master", profile.master},
             {"ca", profile.ca},
             {"ca_pin", profile.ca_pin},
             {"api_key_file", profile.api_key_file},
             {"api_key", profile.api_key.empty() ? "none" : "set"}};
    std::cout << dump_json(out, 2) << "\n";
    code = kOk;
  });
}

}  // namespace ffrtmp::fleet
