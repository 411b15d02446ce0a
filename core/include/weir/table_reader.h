#pragma once
// How a plugin lends its knowledge of a kind of database to reference tables (tables.h): it reads a whole table or
// query, row by row, when the host asks. It is an entry of its own beside WEIR_PLUGIN, which a plugin need not have:
//
//   void read_table(const weir::TableRequest& request, weir::TableRows& rows);
//   WEIR_TABLES(weir::read_tables({"postgresql", "mariadb"}, read_table))
//
// The names are the schemes of the URLs that it knows ("postgresql" of postgresql://…). "file" stands for a database
// that is given as a path. The build notes them beside the plugin, so that it is only loaded for flows that need it.
//
// `read_table` throws as a processor does: Unavailable, Misconfigured. The host calls it on a thread of its own, for
// several tables at once, and may stop listening at any row. It leaves nothing behind in the database.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/plugin.h"
#include "weir/tables.h"

namespace weir {

namespace abi {

struct TableRequest {
  Text database;  ///< as in the flow: a URL, or a path
  Text password;
  Text table;            ///< either this …
  Text query;            ///< … or this
  std::int64_t timeout;  ///< nanoseconds: from a server that is up, something comes in this time
  bool columns_only;     ///< no rows are wanted
  bool tls;
  bool tls_verify;
  Text tls_ca;
  Text tls_cert;
  Text tls_key;
};

/// Takes a table in. False: no more of it is wanted.
class TableRows {
 public:
  /// Once, before any row.
  virtual bool columns(const Text* names, std::uint32_t count) = 0;
  /// A JSON object with the columns as its members.
  virtual bool row(Text json) = 0;

 protected:
  ~TableRows() = default;
};

/// Thread-safe.
class TableReader {
 public:
  virtual std::uint32_t scheme_count() const = 0;
  virtual Text scheme(std::uint32_t index) const = 0;
  virtual Status read(const TableRequest* request, TableRows* rows, Report* report) const = 0;

 protected:
  ~TableReader() = default;
};

/// What the entry is called; what it returns lives as long as the plugin.
inline constexpr const char* kTablesEntry = "weir_plugin_tables_1";
using TablesEntry = const TableReader*();

}  // namespace abi

/// The table that is wanted.
struct TableRequest {
  std::string database;
  std::string password;
  std::optional<TableTls> tls;
  std::string table;  ///< or `query`: one of the two is empty
  std::string query;
  Duration timeout{};
  bool columns_only = false;
};

/// Where the table goes.
class TableRows {
 public:
  explicit TableRows(abi::TableRows& rows) : rows_(rows) {}
  /// Once, before any row. False: no more is wanted.
  bool columns(const std::vector<std::string>& names) {
    std::vector<abi::Text> texts;
    for (const auto& name : names) texts.push_back(to_text(name));
    return rows_.columns(texts.data(), static_cast<std::uint32_t>(texts.size()));
  }
  /// A row as a JSON object. False: no more is wanted.
  bool row(std::string_view json) { return rows_.row(to_text(json)); }

 private:
  abi::TableRows& rows_;
};

namespace detail {

template <class Read>
class TableReaderShim final : public abi::TableReader {
 public:
  TableReaderShim(std::vector<std::string_view> schemes, Read run) : schemes_(std::move(schemes)), read_(run) {}
  std::uint32_t scheme_count() const override { return static_cast<std::uint32_t>(schemes_.size()); }
  abi::Text scheme(std::uint32_t index) const override { return to_text(schemes_[index]); }
  abi::Status read(const abi::TableRequest* request, abi::TableRows* rows, abi::Report* report) const override {
    return guarded(report, [&] {
      TableRequest own;
      own.database = view(request->database);
      own.password = view(request->password);
      own.table = view(request->table);
      own.query = view(request->query);
      own.timeout = Duration(request->timeout);
      own.columns_only = request->columns_only;
      if (request->tls) {
        own.tls = TableTls{std::string(view(request->tls_ca)), std::string(view(request->tls_cert)),
                           std::string(view(request->tls_key)), request->tls_verify};
      }
      TableRows to(*rows);
      read_(own, to);
    });
  }

 private:
  std::vector<std::string_view> schemes_;
  Read read_;
};

}  // namespace detail

/// Of URLs with these schemes, `read` reads tables. For WEIR_TABLES.
template <class Read>
detail::TableReaderShim<Read> read_tables(std::vector<std::string_view> schemes, Read read) {
  return {std::move(schemes), read};
}

}  // namespace weir

#define WEIR_TABLES(reader_value)                                                                          \
  extern "C" __attribute__((visibility("default"))) const weir::abi::TableReader* weir_plugin_tables_1() { \
    static const auto reader = reader_value;                                                               \
    return &reader;                                                                                        \
  }
