// A line for a shell with which to look at a dataset, by its kind.
#include <fmt/core.h>

#include <algorithm>

#include "catalogue/dataset.h"

namespace weir::catalogue {

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A text in SQL, inside a shell's double quotes or not.
std::string sql_text(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "''" : std::string(1, c);
  return result + "'";
}

std::string sql_name(const std::string& name) {
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
  if (plain) return name;
  std::string result = "\"";
  for (const char c : name) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

std::string of_file(const std::string& path) {
  const auto glob = generalised(path, "*");
  const char* read = has(path, ".csv")                         ? "read_csv_auto"
                     : has(path, "json") || !has(path, ".bin") ? "read_json_auto"
                                                               : nullptr;
  if (has(path, ".txt") || has(path, ".log")) read = nullptr;
  if (read == nullptr) return "ls -l " + shell_word(path.substr(0, path.find("$(")));
  return "duckdb -c " + shell_word(fmt::format("SELECT * FROM {}({}) LIMIT 10", read, sql_text(glob)));
}

std::string of_table(const std::string& table, const std::string& database) {
  if (table.empty()) return {};
  const auto select = fmt::format("SELECT * FROM {} LIMIT 10", sql_name(table));
  if (database.starts_with("postgres")) return fmt::format("psql {} -c {}", shell_word(database), shell_word(select));
  if (database.starts_with("mariadb:") || database.starts_with("mysql:")) {
    auto rest = database.substr(database.find("://") + 3);
    const auto slash = rest.find('/');
    const auto schema = slash == std::string::npos ? std::string() : rest.substr(slash + 1, rest.find('?') - slash - 1);
    auto host = rest.substr(0, slash);
    const auto at = host.rfind('@');
    const auto user = at == std::string::npos ? std::string() : host.substr(0, std::min(host.find(':'), at));
    if (at != std::string::npos) host = host.substr(at + 1);
    const auto colon = host.rfind(':');
    const auto port = colon == std::string::npos ? std::string() : host.substr(colon + 1);
    return fmt::format("mariadb -h {}{}{} -p {} -e {}", shell_word(host.substr(0, colon)),
                       port.empty() ? "" : " -P " + shell_word(port), user.empty() ? "" : " -u " + shell_word(user),
                       shell_word(schema), shell_word(select));
  }
  const auto file = database.starts_with("sqlite:") ? database.substr(database.find_first_not_of('/', 7)) : database;
  return fmt::format("sqlite3 -readonly {} {}", shell_word(file), shell_word(select));
}

std::string of_objects(const std::string& key, const std::string& endpoint) {
  const auto at = key.find("$(");
  const auto fixed = at == std::string::npos ? key : key.substr(0, key.rfind('/', at) + 1);
  return fmt::format("aws s3 ls --recursive {}{}", shell_word("s3://" + fixed),
                     endpoint.starts_with("http") ? " --endpoint-url " + shell_word(endpoint) : "");
}

std::string of_mqtt(const std::string& topic, const std::string& url) {
  auto rest = url.substr(url.find("://") == std::string::npos ? 0 : url.find("://") + 3);
  rest = rest.substr(0, rest.find('/'));
  if (const auto at = rest.rfind('@'); at != std::string::npos) rest = rest.substr(at + 1);
  const auto colon = rest.rfind(':');
  const auto port = colon == std::string::npos ? std::string() : " -p " + shell_word(rest.substr(colon + 1));
  return fmt::format("mosquitto_sub -v -h {}{} -t {}", shell_word(rest.substr(0, colon)), port,
                     shell_word(generalised(topic, "+")));
}

}  // namespace

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || has("-_./:,@%+=", {&c, 1});
  });
  if (plain) return text;
  if (has(text, "'") && text.find_first_of("\"\\$`!") == std::string::npos) return '"' + text + '"';
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

std::string query_for(const std::string& kind, const std::string& name, const std::string& location) {
  if (kind == "file") return of_file(name);
  if (kind == "sql") return of_table(name, location);
  if (kind == "s3") return of_objects(name, location);
  if (kind == "mqtt") return of_mqtt(name, location);
  if (kind == "kafka") {
    const bool many = has(name, "$(");
    return fmt::format("kafka-console-consumer.sh --bootstrap-server {} {} {} --from-beginning --max-messages 10",
                       shell_word(location), many ? "--include" : "--topic",
                       shell_word(many ? generalised(name, ".*") : name));
  }
  return {};
}

}  // namespace weir::catalogue
