#pragma once
// What the record processors share: their statements, a thread each, and what a value says as a condition.

#include <functional>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/sql.h"

namespace weir::records {

/// Statements are for one thread at a time; a concurrent processor lends them out, and prepares another when all are
/// lent.
class StatementPool {
 public:
  /// Prepares the first one at once, so that a wrong query stops the processor before any data. Throws Misconfigured.
  void start(std::function<Statement()> prepare) {
    prepare_ = std::move(prepare);
    idle_.push_back(prepare_());
  }

  /// Calls work(Statement&).
  template <class F>
  void with(F&& work) {
    Lease lease{*this, take()};
    work(lease.statement);
  }

 private:
  struct Lease {
    StatementPool& pool;
    Statement statement;
    Lease(StatementPool& p, Statement s) : pool(p), statement(std::move(s)) {}
    ~Lease() {
      const std::lock_guard lock(pool.mutex_);
      pool.idle_.push_back(std::move(statement));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
  };

  Statement take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        auto statement = std::move(idle_.back());
        idle_.pop_back();
        return statement;
      }
    }
    return prepare_();
  }

  std::function<Statement()> prepare_;
  std::mutex mutex_;
  std::vector<Statement> idle_;
};

enum class Condition { no, yes, invalid };

/// NULL is no; text is no condition (SQLite would take '1 apple' for 1).
inline Condition condition(const Value& value) {
  switch (value.type) {
    case ValueType::null:
      return Condition::no;
    case ValueType::integer:
    case ValueType::real:
      return value.real != 0 ? Condition::yes : Condition::no;
    default:
      return Condition::invalid;
  }
}

}  // namespace weir::records
