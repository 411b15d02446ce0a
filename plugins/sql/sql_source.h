#pragma once
// SqlSource: the rows of a SQL table or query as JSON records.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "address.h"
#include "connection.h"
#include "known_rows.h"
#include "row_chunks.h"
#include "weir/processor.h"

namespace weir::db {

struct SqlSourceSettings {
  std::string database;
  std::string password;
  std::optional<TlsSettings> tls;
  Duration timeout = std::chrono::seconds(60);
  std::string table;
  std::string query;
  std::string mode = "all";
  std::string column;
  std::vector<std::string> key;
  std::string start_after;
  Duration delay{0};
  Duration interval = std::chrono::seconds(10);
  std::uint64_t batch = 10'000;
  std::string emit = "chunk";
  std::uint64_t chunk_size = 1 * MiB;
};

const Spec<SqlSourceSettings>& sql_source_spec();

/// Reads in pages where columns tell how far it is: then each session is a query of its own, and all that has to be
/// remembered is durable. Without such columns, one query goes over many sessions, and begins anew after a restart.
class SqlSource final : public Source {
 public:
  explicit SqlSource(SqlSourceSettings settings);
  void start(Context& context) override;
  void poll(Session& session) override;

 private:
  void connect();
  void find_order();
  bool read_page(Session& session);
  bool read_on(Session& session);
  bool read_changes(Session& session, RowChunks& chunks);
  void begin_pass(Session& session);
  void begin_all(Session& session);
  void received(Session& session, RowChunks& chunks);
  std::vector<std::size_t> places_of(const std::vector<std::string>& names, const Cursor& cursor) const;

  SqlSourceSettings settings_;
  Address address_;
  Login login_;
  RowChunks::Settings chunks_;
  Context context_;
  std::unique_ptr<Connection> connection_;
  Selection selection_;
  std::int64_t next_pass_ = 0;  ///< when, on the flow's clock
  bool scheduled_ = false;      ///< the author says when to look

  /// @name A pass over many sessions
  /// @{
  std::unique_ptr<Cursor> cursor_;  ///< after connection_, which it needs to end
  KnownRows known_;
  bool all_seen_ = false;       ///< what is still to be found is what has gone
  std::uint64_t sessions_ = 0;  ///< as the state counts them: another number there, and a session was taken back
  bool in_pass_ = false;
  /// @}

  Metric rows_metric_;
};

}  // namespace weir::db
