#include "sql/engine.h"

#include <exception>
#include <string>

#include "sql/statement.h"
#include "weir/errors.h"

namespace weir::sql {

namespace {

class Engine final : public abi::Sql {
 public:
  Engine(std::shared_ptr<const Declaration> record, Clock clock, std::shared_ptr<DatabaseTables> tables)
      : record_(std::move(record)), clock_(std::move(clock)), tables_(std::move(tables)) {}

  abi::Status prepare(const abi::Query* query, abi::Statement** statement, abi::Report* report) override {
    std::string message;
    try {
      *statement = new PreparedQuery(*query, record_, clock_, tables_.get());
      return abi::Status::ok;
    } catch (const SqlProblem& problem) {
      message = problem.message + " (at character " + std::to_string(problem.offset + 1) + " of the SQL)";
    } catch (const Unavailable& error) {  // a database's table
      report->message(to_text(error.what()));
      return abi::Status::unavailable;
    } catch (const std::exception& error) {
      message = error.what();
    }
    report->message(to_text(message));
    return abi::Status::misconfigured;
  }

 private:
  std::shared_ptr<const Declaration> record_;
  Clock clock_;
  std::shared_ptr<DatabaseTables> tables_;
};

}  // namespace

std::unique_ptr<abi::Sql> make_sql(std::shared_ptr<const Declaration> record, Clock clock,
                                   std::shared_ptr<DatabaseTables> tables) {
  return std::make_unique<Engine>(std::move(record), std::move(clock), std::move(tables));
}

}  // namespace weir::sql
