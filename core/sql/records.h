#pragma once
// Finds the records in a FlowFile's content, and in each record the raw tokens of the fields asked for.
//
// Content is an array of objects, or objects one after another: usually a line each (NDJSON), but they may also share
// a line or span lines. It is indexed a window of whole lines at a time (structure.h), so memory stays bounded and
// cached; an array, and a record larger than a window, are indexed whole.
//
// What is broken stays apart: a bad record ends with its line (and the indented lines that follow), and the next line
// starts afresh. A broken array yields the elements before the damage, and the rest as one bad record. Members that
// nobody asked for are skipped by their brackets and not looked into.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "sql/structure.h"
#include "sql/token.h"
#include "weir/abi.h"

namespace weir::sql {

class RecordReader {
 public:
  /// `fields` are the names wanted, each a slot. If `known` is given, a member that is neither there nor in `fields`
  /// makes its record bad (`extra: fail`).
  explicit RecordReader(const std::vector<std::string>& fields, const std::vector<std::string>* known = nullptr);

  /// Starts on content that is readable 64 bytes past its end and stays in place until the last next().
  void open(std::string_view content);

  /// Goes to the next record, good or bad. False: there is none. Content without any is one bad record, except for
  /// an empty array.
  bool next();

  /// @name The record that next() found
  /// @{
  std::string_view json() const { return json_; }
  abi::Form form() const { return form_; }
  std::uint32_t index() const { return index_; }  ///< counts bad ones too
  bool bad() const { return bad_; }
  const std::string& error() const { return error_; }  ///< why it is bad
  /// The token of the slot's member, without white space around it; empty if there is none. The last of several wins.
  std::string_view raw(std::size_t slot) const { return raw_[slot]; }
  /// @}

 private:
  /// Records of one origin have their members in the same order: what the n-th member was called last time is tried
  /// first. The name's first 16 characters, with the closing quote, are two words compared under masks.
  struct Guess {
    std::uint64_t word[2] = {1, 1};  ///< what no name is under this mask
    std::uint64_t mask[2] = {0, 0};
    int slot = -1;
    bool right(const char* name) const {  // content is readable 64 bytes past its end
      std::uint64_t first, second;        // one load each: two halves of one wide store would wait for it
      std::memcpy(&first, name, sizeof first);
      std::memcpy(&second, name + sizeof first, sizeof second);
      return (first & mask[0]) == word[0] && (second & mask[1]) == word[1];
    }
  };

  enum class Walk { done, broken, incomplete };
  using Position = const std::uint32_t*;

  bool next_in_lines();
  bool next_in_array();
  bool load(const char* from, std::size_t size);
  bool fail(std::string_view bytes, std::string message);
  Walk walk(Position& p);
  Walk skip(Position& p);
  int find(Guess& guess, const char* quote, const char* colon);
  int look_up(std::string_view name) const;
  const char* at(Position p) const { return base_ + *p; }
  const char* group_end(const char* from) const;

  std::vector<std::string> fields_;
  std::vector<std::string> known_;
  bool strict_ = false;
  std::vector<std::string_view> raw_;

  const char* begin_ = nullptr;  ///< of the content
  const char* end_ = nullptr;
  const char* next_ = nullptr;     ///< where the next window starts
  const char* careful_ = nullptr;  ///< up to here a window is one line and what is indented under it
  Structure structure_;
  const char* base_ = nullptr;  ///< of the window
  Position p_ = nullptr;
  Position last_ = nullptr;
  abi::Form form_ = abi::Form::object;
  bool array_ = false;
  bool finished_ = false;

  std::string_view json_;
  std::uint32_t index_ = 0;
  bool any_ = false;
  bool bad_ = false;
  std::string error_;
  Arena names_;

  std::array<Guess, 64> guesses_;
};

}  // namespace weir::sql
