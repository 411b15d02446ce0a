#pragma once
// Where JSON values begin and end. The scanner follows brackets and strings only: whether a number or a literal is
// well formed is for who reads the record. It runs in constant memory over blocks of any size.

#include <bitset>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::file {

/// Takes the elements of a top-level JSON array apart.
class ArrayScanner {
 public:
  static constexpr std::size_t kDeepest = 1024;  ///< brackets inside one another

  enum class Event {
    more,    ///< the block is used up
    begin,   ///< an element begins at the returned position
    end,     ///< an element ended before the returned position
    closed,  ///< the array ended before the returned position
    broken,  ///< what() says why, at the returned position
  };
  struct Step {
    Event event;
    std::size_t position;  ///< in the block
  };

  /// `inside` goes on behind an element, as after a restart.
  explicit ArrayScanner(bool inside = false) : state_(inside ? State::after : State::start) {}

  /// Scans block from `from` on, to the next event.
  Step next(std::string_view block, std::size_t from);
  bool in_element() const { return state_ == State::value; }
  bool closed() const { return state_ == State::closed; }
  const char* what() const { return what_; }

 private:
  enum class State { start, first, element, value, after, closed };

  Step broken(const char* why, std::size_t at) { return what_ = why, Step{Event::broken, at}; }
  Step in_value(std::string_view block, std::size_t at);

  State state_;
  std::size_t depth_ = 0;
  std::bitset<kDeepest> is_object_;
  bool in_string_ = false;
  bool escaped_ = false;
  bool scalar_ = false;  ///< the element is a bare number or literal: ended by what follows it
  const char* what_ = "";
};

/// Appends a record as one line: line ends in it, and the indentation behind them, are left out; all other bytes stay.
/// JSON has no raw line ends inside strings, so only layout goes.
void append_as_line(std::string& to, std::string_view record);

/// How the records of a FlowFile's content stand: what record processors call its form.
enum class ContentForm { empty, lines, object, array };

/// Appends the records of an object or array, each as one line. Throws Rejected where an array is broken.
void append_records(std::string& to, std::string_view content, ContentForm form);

/// `lines` where every line holds a whole object or other value, by its first and last byte.
ContentForm form_of(std::string_view content);

}  // namespace weir::file
