#pragma once
// Reads JSON of any size in pieces, checks every byte of it, and says where its outer values begin and end. Nothing is
// built: what it remembers is one byte a nesting level and the name of one member, so a document of many gigabytes
// costs as much memory as a small one, and the scan can be taken up again from a few bytes of state.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace weir::json {

enum class ValueKind : std::uint8_t { object, array, string, number, boolean, null };

/// The text is no JSON (RFC 8259, UTF-8). The message says what, and at which byte.
class InvalidJson : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Receives the values that lie at most so many containers deep as the scanner was told to report. Offsets count from
/// the start of the text. `depth` is the number of containers around the value: 0 is a document.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  /// The name (decoded) of the member whose value begins next.
  virtual void name(std::uint32_t depth, std::string_view name) = 0;
  virtual void begin(std::uint32_t depth, ValueKind kind, std::uint64_t offset) = 0;
  /// `offset` is the first byte after the value. False pauses the scan there.
  virtual bool end(std::uint32_t depth, std::uint64_t offset) = 0;
};

/// Documents may follow one another, with or without white space (newline-delimited JSON).
class JsonScanner {
 public:
  /// As deep as simdjson reads; deeper is an error, not a crash.
  static constexpr std::uint32_t kMaxDepth = 1024;

  JsonScanner(JsonEvents& events, std::uint32_t report_depth) : events_(events), report_depth_(report_depth) {}

  /// Continues after a value at `offset`, inside of `containers` (outermost first; as containers() gave them).
  void resume(std::uint64_t offset, std::string_view containers);
  /// '{' and '[' of what is open, outermost first.
  std::string_view containers() const { return containers_; }
  std::uint64_t offset() const { return offset_; }
  std::uint64_t documents() const { return documents_; }

  /// Reads the next piece; returns how much of it was read: less than all only if paused. Throws InvalidJson.
  std::uint64_t read(std::string_view piece);
  /// The text ends here. Throws InvalidJson if a value is still open. False if the last value's end() paused.
  bool finish();

 private:
  enum class State : std::uint8_t {
    value,           // a value has to come
    value_or_close,  // after [
    name_or_close,   // after {
    name,            // after , in an object
    colon,
    comma_or_close,  // after a value in a container
    document,        // between documents
    string,
    escape,
    unicode,
    surrogate,
    surrogate_u,
    minus,
    zero,
    integer,
    point,
    fraction,
    exponent,
    exponent_sign,
    exponent_digits,
    literal,
  };

  bool reported() const { return containers_.size() <= report_depth_; }
  std::uint32_t depth() const { return static_cast<std::uint32_t>(containers_.size()); }
  void begin_value(char c);
  void open(char bracket, ValueKind kind);
  bool close(char bracket);
  bool end_value(std::uint64_t offset);
  bool end_string();
  /// Reads on from the current state; the end of what was read.
  const char* string(const char* at, const char* end);
  void escape(char c);
  void unicode(char c);
  void utf8(unsigned char c);
  bool number(char c);
  void append_code_point(std::uint32_t code_point);
  [[noreturn]] void fail(std::string_view what) const;
  [[noreturn]] void unexpected(char c, std::string_view expected) const;

  JsonEvents& events_;
  std::uint32_t report_depth_;
  std::uint64_t offset_ = 0;
  std::uint64_t documents_ = 0;
  std::string containers_;
  State state_ = State::document;

  // The current string, number or literal.
  bool is_name_ = false;
  bool keep_name_ = false;  ///< someone wants to know it
  std::string name_;
  std::uint32_t code_unit_ = 0;
  std::uint32_t high_surrogate_ = 0;
  std::uint8_t digits_ = 0;
  std::uint8_t continuation_ = 0;  ///< bytes of a UTF-8 sequence still to come
  unsigned char lowest_ = 0x80;    ///< bounds of the next one
  unsigned char highest_ = 0xbf;
  std::string_view literal_;
};

}  // namespace weir::json
