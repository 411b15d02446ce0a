#pragma once
// SqlSink: records as rows of a SQL table.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "address.h"
#include "connection.h"
#include "lane_place.h"
#include "progress_table.h"
#include "row_writer.h"
#include "weir/lane.h"
#include "weir/processor.h"
#include "weir/rejected.h"

namespace weir::db {

struct SqlSinkSettings {
  std::optional<std::string> url;
  std::optional<std::string> database;
  std::string password;
  std::optional<TlsSettings> tls;
  Duration timeout = std::chrono::seconds(60);
  std::string table;
  std::string mode = "insert";
  std::string statement;
  std::vector<std::string> key;
  std::string version;
  std::vector<std::string> partition;
  std::vector<std::pair<std::string, std::string>> columns;
  bool create = true;
  std::vector<std::string> setup;
  std::vector<std::string> then;
};

const Spec<SqlSinkSettings>& sql_sink_spec();
/// Where it writes. Throws Misconfigured.
Address address_of(const SqlSinkSettings& settings);

/// A step inserts in the open transaction and holds its inputs; flush() commits, and finishes them. With exactly once,
/// each step also writes into the transaction how far it is. In a lane all is written by flush(), at the end of the
/// round: one that is cut off must not keep rows locked that the next owner needs.
class SqlSink final : public Processor {
 public:
  explicit SqlSink(SqlSinkSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;
  void flush(Session& session) override;

 private:
  /// A held FlowFile, and what became of it. In the order of the session's held ones.
  struct Written {
    std::string connection;
    std::uint64_t sequence;
    std::uint64_t transaction;
    std::vector<RejectedRecord> rejected;
  };
  struct ToWrite {
    FlowFile file;
    std::string connection;
  };

  void start_progress(Context& context);
  void match_held(Session& session);
  bool lost() const;
  /// All that is to be written, in the transaction, with how far that is.
  std::vector<Written> write(Session& session, const std::vector<ToWrite>& files, std::uint64_t transaction);
  void store_progress(const std::vector<Written>& written, const std::vector<bool>& repeated);
  void write_again(Session& session, const std::vector<FlowFile>& files);
  bool write_round(Session& session, const std::vector<FlowFile>& files);
  bool refused_before_commit(const Session& session) const;
  bool send_refused(Session& session, const std::vector<FlowFile>& files);
  void write_and_commit(Session& session, const std::vector<FlowFile>& files);
  template <class Work>
  void as_a_whole(Work&& work);
  void conclude(Session& session, FlowFile file, const Written& written);

  SqlSinkSettings settings_;
  Address address_;
  Login login_;
  std::unique_ptr<Connection> connection_;
  std::optional<RowWriter> rows_;
  weir::Statement records_;

  std::optional<ProgressTable> progress_table_;  ///< of exactly once
  std::map<std::string, ExactlyOnceProgress, std::less<>> progress_;
  std::map<std::string, std::uint64_t, std::less<>> first_;  ///< where each connection began at start
  bool rejections_stored_ = true;

  Lane lane_;                       ///< of exactly once, in a flow that scales out
  std::optional<LanePlace> place_;  ///< in that lane
  std::int64_t claimed_ = 0;        ///< where it was then
  LaneRefusals refusals_;
  std::uint32_t failure_ = 0;  ///< the relationship

  std::vector<Written> written_;
  std::size_t finished_ = 0;  ///< of written_, by the last flush: true once its session is committed

  Metric rows_metric_;
  Metric rejected_metric_;
  Metric commits_metric_;
};

}  // namespace weir::db
