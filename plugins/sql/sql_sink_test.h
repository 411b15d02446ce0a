#pragma once
// What the tests of SqlSink share.
#include <sqlite3.h>

#include <filesystem>
#include <optional>
#include <string>

#include "database.h"
#include "temporary_folder.h"
#include "weir/errors.h"
#include "weir/plugin.h"
#include "weir/testkit.h"

extern "C" const weir::abi::Plugin* weir_plugin_abi_1();

namespace weir::sqlite::testing {

using weir::testkit::Options;
using weir::testkit::Runner;

inline const char* const kRecord = R"(
id: {type: text, required: true}
at: {type: time, format: unix_ms}
temperature: {type: number}
n: {type: integer}
ok: {type: boolean}
)";

inline const weir::abi::ProcessorType* type() {
  return weir::testkit::find_type(weir_plugin_abi_1(), "SqlSink");
}

/// A runner that writes to the table t of a database in a folder of its own.
struct Sink {
  TemporaryFolder folder;
  std::string properties;
  std::optional<Runner> runner;
  explicit Sink(const std::string& more = "", Options options = {.record = kRecord})
      : properties("database: " + folder / "x.db" + "\ntable: t\n" + more) {
    runner.emplace(type(), properties, options);
  }
  Sink(const std::string& before, const std::string& more, Options options = {})
      : properties("database: " + folder / "x.db" + "\ntable: t\n" + more) {
    Database(folder / "x.db").execute(before);
    runner.emplace(type(), properties, options);
  }
  Runner* operator->() { return &*runner; }
  void write(std::string_view content) {
    runner->push(content);
    runner->run();
    runner->durable();
  }
  /// All rows, values joined by | and rows by newlines, of a reader's own connection.
  std::string rows(const std::string& sql) {
    Database reader(folder / "x.db");
    Statement statement(reader, sql);
    std::string text;
    while (statement.step()) {
      if (!text.empty()) text += '\n';
      for (int i = 0; i < 10; ++i) {
        const auto value = statement.text(i);
        if (value.data() == nullptr && i > 0 && statement.text(i + 1).data() == nullptr &&
            statement.text(i + 2).data() == nullptr)
          break;
        text += (i == 0 ? "" : "|") + std::string(value);
      }
    }
    return text;
  }
};

}  // namespace weir::sqlite::testing
