#pragma once
// What connections to database servers share: a transaction that may be lost with its connection, and rows that are
// collected, written many at once, and looked at one by one only where the server refuses some of them.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "connection.h"
#include "server_values.h"

namespace weir::db {

class ServerConnection : public Connection {
 public:
  std::uint64_t begin() final;
  void commit() final;
  void roll_back() noexcept final;
  bool holds(std::uint64_t transaction) const final { return !lost_.contains(transaction); }
  void as_a_whole(const std::function<void(std::uint64_t transaction)>& work) final;

  /// How often it has connected: statements that were prepared before are gone.
  std::uint64_t generation() const { return generation_; }
  /// Writes, or throws RowError and leaves the transaction as it was before.
  void guarded(const std::function<void()>& work);

 protected:
  virtual bool connected() const = 0;
  virtual void connect() = 0;
  virtual void begin_transaction() = 0;
  /// COMMIT. Throws where it is not certain that all is there.
  virtual void end_transaction() = 0;
  /// What connect() calls once it is connected, and what drops a connection when it is gone.
  void note_connected() { ++generation_; }
  void note_dropped() noexcept;
  /// Connects where there is no connection. Not in a transaction: that is lost with the connection.
  void need_connection();

 private:
  std::uint64_t last_ = 0;  ///< number of the last transaction begun
  bool open_ = false;
  std::uint64_t generation_ = 0;
  std::set<std::uint64_t> lost_;
};

/// Rows as the server reads them, one after another in one buffer.
class RowBuffer {
 public:
  explicit RowBuffer(std::vector<ServerType> types, std::vector<std::string> names)
      : types_(std::move(types)), names_(std::move(names)) {}

  /// Appends a row, or returns why it does not fit.
  std::string add(const Value* values, std::uint32_t file, std::uint32_t record);
  std::size_t rows() const { return origins_.size(); }
  std::size_t bytes() const { return text_.size(); }
  std::size_t columns() const { return types_.size(); }
  /// The text of a value, nothing for NULL.
  std::optional<std::string_view> at(std::size_t row, std::size_t column) const;
  const ServerType& type(std::size_t column) const { return types_[column]; }
  Refusal refusal(std::size_t row, std::string message) const;
  void clear() noexcept;

 private:
  static constexpr std::size_t kNull = ~std::size_t{0};
  struct Cell {
    std::size_t offset;
    std::size_t size;
  };
  std::vector<ServerType> types_;
  std::vector<std::string> names_;
  std::string text_;
  std::vector<Cell> cells_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> origins_;
};

/// Writes full buffers. Where the server refuses one, it is halved again and again, until the rows to blame are found.
class BufferedInserter : public Inserter {
 public:
  BufferedInserter(ServerConnection& connection, RowBuffer rows) : connection_(connection), rows_(std::move(rows)) {}
  std::string add(const Value* values, std::uint32_t file, std::uint32_t record) final;
  void finish(std::vector<Refusal>& refused) final;
  void clear() noexcept final;
  std::vector<As> reads() const final;

 protected:
  /// Writes rows [first, first + count) as a whole, or throws RowError.
  virtual void write(const RowBuffer& rows, std::size_t first, std::size_t count) = 0;

 private:
  void write_halves(std::size_t first, std::size_t count);

  ServerConnection& connection_;
  RowBuffer rows_;
  std::vector<Refusal> refused_;
};

/// A statement of an author with :name in it, as the server takes it: with a placeholder for each, and the number of
/// the name that each takes. Strings, comments and quoted names are left alone, and so is :: of PostgreSQL. Throws
/// Misconfigured for a name that is not among `names`.
struct Parameterised {
  std::string sql;
  std::vector<std::size_t> parameters;
};
Parameterised parameterise(std::string_view sql, const std::vector<std::string>& names, Dialect dialect);
/// The names after a colon, each once, in their order.
std::vector<std::string> parameter_names(std::string_view sql, Dialect dialect);

}  // namespace weir::db
