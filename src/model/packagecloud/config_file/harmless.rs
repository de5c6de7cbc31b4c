//! What in packagecloud.rb surely changes no value of another statement: kinds of syntax, and names of methods.
//!
//! Whatever doesn't stand here may change the four values. A name that is missing costs a question when CloudFront is
//! switched on, and one line more when it is switched off; one too many would cost the emergency.

/// Returns whether a kind of syntax does nothing but what its parts do.
pub(super) fn is_harmless_syntax(kind: &str) -> bool {
    is_literal_syntax(kind) || is_composing_syntax(kind)
}

/// Returns whether a kind of syntax is a literal, or a part of one.
fn is_literal_syntax(kind: &str) -> bool {
    matches!(
        kind,
        "comment"
            | "string"
            | "string_content"
            | "escape_sequence"
            | "interpolation"
            | "string_array"
            | "bare_string"
            | "symbol_array"
            | "bare_symbol"
            | "simple_symbol"
            | "delimited_symbol"
            | "hash_key_symbol"
            | "chained_string"
            | "character"
            | "regex"
            | "subshell"
            | "heredoc_beginning"
            | "heredoc_body"
            | "heredoc_content"
            | "heredoc_end"
            | "integer"
            | "float"
            | "rational"
            | "complex"
            | "true"
            | "false"
            | "nil"
            | "file"
            | "line"
            | "encoding"
    )
}

/// Returns whether a kind of syntax only puts its parts together, or runs them or not.
fn is_composing_syntax(kind: &str) -> bool {
    matches!(
        kind,
        "array"
            | "hash"
            | "pair"
            | "range"
            | "unary"
            | "conditional"
            | "parenthesized_statements"
            | "empty_statement"
            | "if"
            | "unless"
            | "elsif"
            | "else"
            | "then"
            | "if_modifier"
            | "unless_modifier"
            | "while"
            | "until"
            | "while_modifier"
            | "until_modifier"
            | "for"
            | "in"
            | "do"
            | "case"
            | "when"
            | "pattern"
            | "begin"
            | "body_statement"
            | "rescue"
            | "rescue_modifier"
            | "ensure"
            | "exceptions"
            | "exception_variable"
            | "block"
            | "do_block"
            | "block_body"
            | "block_parameters"
            | "block_argument"
            | "argument_list"
            | "left_assignment_list"
            | "right_assignment_list"
            | "destructured_left_assignment"
            | "rest_assignment"
            | "splat_argument"
            | "hash_splat_argument"
            | "scope_resolution"
            | "constant"
            | "operator"
            | "break"
            | "next"
            | "redo"
            | "retry"
            | "return"
            | "method_parameters"
    )
}

/// Returns whether a node of this kind holds statements, one after the other.
pub(super) fn is_statement_list(kind: &str) -> bool {
    matches!(
        kind,
        "program"
            | "then"
            | "else"
            | "do"
            | "block_body"
            | "body_statement"
            | "begin"
            | "ensure"
            | "parenthesized_statements"
    )
}

/// Returns whether a method that is called on nothing changes no value: Ruby's own, and packagecloud's settings that are no hash.
pub(super) fn is_harmless_bare_call(name: &str) -> bool {
    matches!(
        name,
        "external_url"
            | "puts"
            | "print"
            | "p"
            | "pp"
            | "warn"
            | "Integer"
            | "Float"
            | "String"
            | "Array"
            | "format"
            | "sprintf"
            | "rand"
            | "sleep"
            | "block_given?"
    )
}

/// Returns whether a method that is called on something only reads it, or changes nothing but it.
pub(super) fn is_harmless_method(name: &str) -> bool {
    is_reading_method(name) || is_collection_method(name) || is_library_method(name)
}

/// Returns whether a method only reads a hash.
pub(super) fn is_reading_method(name: &str) -> bool {
    matches!(
        name,
        "key?"
            | "has_key?"
            | "include?"
            | "member?"
            | "fetch"
            | "dig"
            | "empty?"
            | "size"
            | "length"
            | "nil?"
            | "any?"
    )
}

/// Returns whether a method of a text or a list gives another one.
fn is_collection_method(name: &str) -> bool {
    matches!(
        name,
        "to_s"
            | "to_str"
            | "to_i"
            | "to_f"
            | "to_a"
            | "to_h"
            | "to_sym"
            | "to_json"
            | "inspect"
            | "strip"
            | "lstrip"
            | "rstrip"
            | "chomp"
            | "chop"
            | "downcase"
            | "upcase"
            | "capitalize"
            | "split"
            | "lines"
            | "join"
            | "first"
            | "last"
            | "keys"
            | "values"
            | "values_at"
            | "gsub"
            | "sub"
            | "tr"
            | "freeze"
            | "dup"
            | "clone"
            | "start_with?"
            | "end_with?"
            | "match"
            | "match?"
            | "is_a?"
            | "respond_to?"
            | "all?"
            | "none?"
            | "each"
            | "each_with_index"
            | "each_pair"
            | "map"
            | "collect"
            | "flat_map"
            | "select"
            | "reject"
            | "filter"
            | "find"
            | "sort"
            | "sort_by"
            | "uniq"
            | "compact"
            | "flatten"
            | "reverse"
            | "zip"
            | "sum"
            | "min"
            | "max"
            | "times"
            | "upto"
            | "round"
            | "floor"
            | "ceil"
            | "merge"
    )
}

/// Returns whether a method of Ruby's libraries reads the machine, and nothing of packagecloud's.
fn is_library_method(name: &str) -> bool {
    matches!(
        name,
        "read"
            | "readlines"
            | "binread"
            | "exist?"
            | "exists?"
            | "file?"
            | "directory?"
            | "readable?"
            | "basename"
            | "dirname"
            | "expand_path"
            | "load_file"
            | "safe_load"
            | "parse"
            | "gethostname"
            | "hostname"
            | "fqdn"
            | "now"
            | "strftime"
            | "year"
            | "hour"
            | "nprocessors"
            | "encode64"
            | "strict_encode64"
            | "decode64"
            | "strict_decode64"
            | "hexdigest"
    )
}

/// Returns whether a word ends the file where it is called on nothing.
pub(super) fn is_exit_word(name: &str) -> bool {
    matches!(name, "exit" | "exit!" | "abort" | "raise" | "fail")
}

/// Returns whether a word that ends the file makes the reconfigure fail, so that nothing of the file takes effect.
pub(super) fn is_failing_exit_word(name: &str) -> bool {
    matches!(name, "abort" | "raise" | "fail")
}
