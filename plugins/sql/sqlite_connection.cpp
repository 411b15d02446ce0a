#include "sqlite_connection.h"

#include <sqlite3.h>

#include "server_connection.h"
#include "table.h"

namespace weir::sqlite {

namespace {

/// Rows are written as they are added.
class RowInserter final : public db::Inserter {
 public:
  /// `parameters`: which column of a row each parameter takes, and what fits there.
  RowInserter(std::shared_ptr<Target> target, Statement statement, std::vector<std::string> names,
              std::vector<std::size_t> parameters, std::vector<Affinity> affinities)
      : target_(std::move(target)),
        statement_(std::move(statement)),
        names_(std::move(names)),
        parameters_(std::move(parameters)),
        affinities_(std::move(affinities)) {}

  std::string add(const Value* values, std::uint32_t, std::uint32_t) override {
    try {
      for (std::size_t p = 0; p < parameters_.size(); ++p) {
        const auto column = parameters_[p];
        auto reason = bind(statement_, static_cast<int>(p) + 1, values[column], affinities_[p]);
        if (!reason.empty()) return names_[column] + ": " + reason;
      }
      while (statement_.step()) {
        // An author's statement may return rows; nobody wants them.
      }
      return {};
    } catch (const Error& error) {
      if (error.about_the_row()) return error.what();
      raise(error, target_->path());
    }
  }
  void finish(std::vector<db::Refusal>&) override {}
  void clear() noexcept override {}
  std::vector<As> reads() const override { return std::vector<As>(names_.size(), As::any); }

 private:
  const std::shared_ptr<Target> target_;
  Statement statement_;
  const std::vector<std::string> names_;
  const std::vector<std::size_t> parameters_;
  const std::vector<Affinity> affinities_;
};

}  // namespace

/// Runs `work`, and throws what an Error in it means.
template <class Work>
auto Connection::translated(Work&& work) {
  try {
    return work();
  } catch (const Error& error) {
    raise(error, target_->path());
  }
}

std::uint64_t Connection::begin() {
  return translated([&] { return target_->begin(); });
}

void Connection::commit() {
  translated([&] { target_->commit(); });
}

void Connection::as_a_whole(const std::function<void(std::uint64_t transaction)>& work) {
  const bool begun_before = target_->under_way();
  try {
    const auto transaction = target_->begin();
    target_->database().execute("SAVEPOINT step");
    work(transaction);
    target_->database().execute("RELEASE step");
  } catch (...) {
    target_->check();
    try {
      if (target_->database().in_transaction()) target_->database().execute("ROLLBACK TO step; RELEASE step");
    } catch (const Error&) {
      target_->roll_back();  // BEGIN or SAVEPOINT failed, or nothing works any more
    }
    // One that nobody has written to would keep all others from writing for as long as it is not committed.
    if (!begun_before) target_->roll_back();
    try {
      translated([] { throw; });
    } catch (const Misconfigured&) {
      target_->roll_back();  // and nor would a sink that is stopped for this ever commit it
      throw;
    }
  }
}

std::optional<std::vector<db::Column>> Connection::describe(const std::string& table) {
  return translated([&]() -> std::optional<std::vector<db::Column>> {
    const auto known = sqlite::describe(target_->database(), table);
    if (!known) return std::nullopt;
    std::vector<db::Column> columns;
    for (const auto& column : *known) columns.push_back({column.name, column.type, column.not_null, column.key});
    return columns;
  });
}

void Connection::create(const std::string& table, const std::vector<db::NewColumn>& columns,
                        const std::vector<std::string>& key) {
  const auto type = [](db::Content content) {
    switch (content) {
      case db::Content::any:
        return "";
      case db::Content::integer:
      case db::Content::boolean:
        return "INTEGER";
      case db::Content::number:
        return "REAL";
      case db::Content::text:
      case db::Content::time:
      case db::Content::json:
        break;
    }
    return "TEXT";
  };
  std::vector<Column> own;
  for (const auto& column : columns) own.push_back({column.name, type(column.content), column.not_null});
  translated([&] { sqlite::create(target_->database(), table, own, key); });
}

std::unique_ptr<db::Inserter> Connection::inserter(const std::string& table, const std::vector<db::Column>& columns,
                                                   const std::vector<std::string>& key, const std::string& version) {
  std::vector<std::string> names;
  std::vector<std::size_t> parameters;
  std::vector<Affinity> affinities;
  for (const auto& column : columns) {
    parameters.push_back(names.size());
    names.push_back(column.name);
    affinities.push_back(affinity_of(column.type));
  }
  try {
    Statement statement(target_->database(), insert_sql(table, names, key, version));
    return std::make_unique<RowInserter>(target_, std::move(statement), std::move(names), std::move(parameters),
                                         std::move(affinities));
  } catch (const Error& error) {
    if (std::string_view(error.what()).find("ON CONFLICT") == std::string_view::npos) raise(error, target_->path());
    throw Misconfigured("key: table " + table + " of " + target_->path() +
                        " has neither a primary key nor a unique index on just these columns (" + error.what() + ")");
  }
}

std::unique_ptr<db::Inserter> Connection::statement(const std::string& sql, const std::vector<std::string>& names) {
  auto parsed = db::parameterise(sql, names, db::Dialect::sqlite);
  std::vector<Affinity> affinities(parsed.parameters.size(), Affinity::blob);  // which takes anything as it is
  return translated([&]() -> std::unique_ptr<db::Inserter> {
    return std::make_unique<RowInserter>(target_, Statement(target_->database(), parsed.sql), names,
                                         std::move(parsed.parameters), std::move(affinities));
  });
}

void Connection::execute(const std::string& sql) {
  translated([&] { target_->database().execute(sql); });
}

std::vector<db::Texts> Connection::query(const std::string& sql, const std::vector<std::string>& parameters) {
  return translated([&] {
    Statement statement(target_->database(), sql);
    int index = 0;
    for (const auto& parameter : parameters) statement.bind(++index, std::string_view(parameter));
    std::vector<db::Texts> rows;
    while (statement.step()) {
      auto& row = rows.emplace_back();
      for (int i = 0; i < statement.columns(); ++i) {
        const auto text = statement.text(i);
        if (text.data() == nullptr) {
          row.emplace_back();
        } else {
          row.emplace_back(text);
        }
      }
    }
    return rows;
  });
}

}  // namespace weir::sqlite
