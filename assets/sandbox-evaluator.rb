# Evaluates a packagecloud.rb as an omnibus package does, for the sandbox's packagecloud: ruby sandbox-evaluator.rb FILE [namespaces]
#
# With the second word it stands in namespaces of its own, of mounts and of networks, and shuts itself in by those where the
# kernel has no Landlock that suffices.
# Before a byte of FILE is run, this process shuts itself in for good: it writes no file, opens no socket, starts no
# program, signals nobody, and its memory and CPU time are bounded. Reading stays free, so that FILE may read others.
# stdout takes JSON, an object a line: first {"shut_in": RUBY_VERSION} or {"not_shut_in": REASON}, after which nothing
# is run; then {"values": HASH}, what packagecloud_rails came to, or {"raised": REASON}. What FILE prints goes to stderr.

require "json"
require "yaml"
require "erb"
require "pathname"
require "set"
require "socket"

# Gives up what this process could do to anything but itself, by Landlock or read-only mounts, and by seccomp.
module SelfConfinement
  MEMORY_BYTES_MAX = 512 << 20
  CPU_SECONDS_MAX = 10
  OPEN_FILES_MAX = 256

  LANDLOCK_CREATE_RULESET = 444
  LANDLOCK_RESTRICT_SELF = 446
  LANDLOCK_CREATE_RULESET_VERSION = 1
  # Every access of Landlock's first version but reading a file and a directory.
  LANDLOCK_WRITES = 0x1fff & ~0b1100
  # What later versions know besides: by version, the bit.
  LANDLOCK_LATER_WRITES = { 2 => 13, 3 => 14, 5 => 15 }.freeze
  # The first that keeps a file from being emptied by opening it.
  LANDLOCK_VERSION_MIN = 3

  # From Linux 5.12 on: all mounts of this namespace at once.
  MOUNT_SETATTR = 442
  CURRENT_DIRECTORY = -100
  AT_RECURSIVE = 0x8000
  # Nothing is written, no program gains rights, and no device is opened: one may be written to on a read-only mount.
  MOUNT_READ_ONLY_NOSUID_NODEV = 0b111

  PR_SET_PDEATHSIG = 1
  PR_SET_NO_NEW_PRIVS = 38
  SIGKILL = 9
  CAPABILITY_VERSION_3 = 0x20080522
  # Root goes on reading what isn't its own: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
  KEPT_CAPABILITIES = 0b110

  # The numbers differ by machine; nil is a call that the machine doesn't have.
  MACHINES = { "x86_64" => 0, "aarch64" => 1 }.freeze
  AUDIT_ARCHITECTURES = [0xc000003e, 0xc00000b7].freeze
  CALLS = {
    prctl: [157, 167], capget: [125, 90], capset: [126, 91], seccomp: [317, 277],
    clone: [56, 220], clone3: [435, 435], kill: [62, 129], tgkill: [234, 131], prlimit64: [302, 261]
  }.freeze
  # What Landlock leaves open: sockets, programs, signals, a file's attributes, memory that no limit counts, limits.
  REFUSED_CALLS = {
    socket: [41, 198], io_uring_setup: [425, 425],
    fork: [57, nil], vfork: [58, nil], execve: [59, 221], execveat: [322, 281],
    tkill: [200, 130], rt_sigqueueinfo: [129, 138], rt_tgsigqueueinfo: [297, 240], pidfd_send_signal: [424, 424],
    ptrace: [101, 117], process_vm_writev: [311, 271], unshare: [272, 97], setns: [308, 268],
    bpf: [321, 280], perf_event_open: [298, 241],
    truncate: [76, 45], chmod: [90, nil], fchmod: [91, 52], fchmodat: [268, 53], fchmodat2: [452, 452],
    chown: [92, nil], fchown: [93, 55], lchown: [94, nil], fchownat: [260, 54],
    utime: [132, nil], utimes: [235, nil], futimesat: [261, nil], utimensat: [280, 88],
    setxattr: [188, 5], lsetxattr: [189, 6], fsetxattr: [190, 7], setxattrat: [463, 463],
    removexattr: [197, 14], lremovexattr: [198, 15], fremovexattr: [199, 16], removexattrat: [466, 466],
    file_setattr: [469, 469],
    memfd_create: [319, 279], memfd_secret: [447, 447], shmget: [29, 194], msgget: [68, 186], semget: [64, 190],
    mq_open: [240, 180], add_key: [248, 217], request_key: [249, 218], keyctl: [250, 219],
    setrlimit: [160, 164], setpriority: [141, 140], ioprio_set: [251, 30], sched_setaffinity: [203, 122],
    sched_setscheduler: [144, 119], sched_setparam: [142, 118], sched_setattr: [314, 274]
  }.freeze

  # What read-only mounts leave open besides: a pipe may be opened for writing.
  OPEN_CALLS = { open: [[2, nil], 1], openat: [[257, 56], 2] }.freeze
  OPENS_OF_OTHER_FORMS = { creat: [85, nil], openat2: [437, 437], open_by_handle_at: [304, 265] }.freeze
  OPEN_WRITE_FLAGS = File::WRONLY | File::RDWR | File::CREAT | File::TRUNC

  SECCOMP_SET_MODE_FILTER = 1
  SECCOMP_FILTER_FLAG_TSYNC = 1
  SECCOMP_ALLOW = 0x7fff0000
  SECCOMP_KILL = 0x80000000
  SECCOMP_EPERM = 0x00050000 | Errno::EPERM::Errno
  # glibc then takes clone, whose flags can be looked at.
  SECCOMP_ENOSYS = 0x00050000 | Errno::ENOSYS::Errno
  CLONE_THREAD = 0x10000
  X32_CALLS_FROM = 0x40000000

  # A filter's instructions: load a word of the call, compare, return.
  LOAD, IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
  CALL_NUMBER_AT = 0
  ARCHITECTURE_AT = 4

  module_function

  # Returns nil once nothing is left open, or why that can't be had here.
  def confine_this_process(in_namespaces)
    machine = MACHINES[RUBY_PLATFORM[/\A(\w+)-linux/, 1]]
    return "#{RUBY_PLATFORM} is no machine on which Ruby can be shut in" unless machine
    begin
      Process.setsid
    rescue Errno::EPERM
      # It leads a session or a group already.
    end
    limit_resources
    call_kernel(machine, :prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    call_kernel(machine, :prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    step = in_namespaces ? "read-only mounts" : "Landlock"
    in_namespaces ? make_mounts_read_only : refuse_file_writes
    step = "a process without capabilities"
    drop_capabilities(machine)
    step = "seccomp"
    refuse_system_calls(machine, in_namespaces)
    nil
  rescue SystemCallError, NotImplementedError, ArgumentError => error
    "the kernel doesn't offer #{step || 'what is needed'} here: #{error.message}"
  end

  def call_kernel(machine, name, *arguments)
    Kernel.syscall(CALLS.fetch(name)[machine], *arguments)
  end

  # Kernel.syscall takes no string with a null byte in it.
  def address_of(bytes)
    [bytes].pack("P").unpack("Q").first
  end

  def limit_resources
    { AS: MEMORY_BYTES_MAX, CPU: CPU_SECONDS_MAX, NOFILE: OPEN_FILES_MAX, FSIZE: 0, CORE: 0 }.each do |name, most|
      _, hard = Process.getrlimit(name)
      most = [most, hard].min
      Process.setrlimit(name, most, most)
    end
  end

  def refuse_file_writes
    version = Kernel.syscall(LANDLOCK_CREATE_RULESET, 0, 0, LANDLOCK_CREATE_RULESET_VERSION)
    raise NotImplementedError, "Landlock #{version} lets files be emptied" if version < LANDLOCK_VERSION_MIN

    later = LANDLOCK_LATER_WRITES.select { |from, _| version >= from }.values
    files = later.inject(LANDLOCK_WRITES) { |writes, bit| writes | 1 << bit }
    # TCP from version 4, abstract sockets and signals from 6.
    rules = [files]
    rules << 0b11 if version >= 4
    rules << 0b11 if version >= 6
    rules = rules.pack("Q*")
    handle = Kernel.syscall(LANDLOCK_CREATE_RULESET, address_of(rules), rules.bytesize, 0)
    Kernel.syscall(LANDLOCK_RESTRICT_SELF, handle, 0)
  end

  # Where these mounts were everybody's, all of the machine would stand still: it must be another namespace than the parent's.
  def make_mounts_read_only
    begin
      parents = File.readlink("/proc/#{Process.ppid}/ns/mnt")
    rescue Errno::EACCES
      # Whoever may not look at the parent may not change its mounts either.
    end
    if File.readlink("/proc/self/ns/mnt") == parents
      raise NotImplementedError, "this process has no mounts of its own"
    end

    attributes = [MOUNT_READ_ONLY_NOSUID_NODEV, 0, 0, 0].pack("Q4")
    Kernel.syscall(MOUNT_SETATTR, CURRENT_DIRECTORY, "/", AT_RECURSIVE, address_of(attributes), attributes.bytesize)
  end

  def drop_capabilities(machine)
    header = [CAPABILITY_VERSION_3, 0].pack("Ll")
    held = [0].pack("L") * 6
    call_kernel(machine, :capget, address_of(header), address_of(held))
    kept = held.unpack("L*")[1] & KEPT_CAPABILITIES
    wanted = [kept, kept, 0, 0, 0, 0].pack("L*")
    call_kernel(machine, :capset, address_of(header), address_of(wanted))
  end

  def refuse_system_calls(machine, in_namespaces)
    program = system_call_filter(machine, in_namespaces ? open_for_writing_filter(machine) : [])
    code = program.map { |instruction| instruction.pack("SCCL") }.join
    header = [program.size, code].pack("Sx6P")
    call_kernel(machine, :seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, address_of(header))
  end

  def open_for_writing_filter(machine)
    opens = OPEN_CALLS.values.select { |numbers, _| numbers[machine] }.flat_map do |numbers, flags_at|
      reading = argument_word(flags_at, 0, [IF_ANY_BIT, 0, 1, OPEN_WRITE_FLAGS], SECCOMP_EPERM)
      on_call(numbers[machine], reading + [[RETURN, 0, 0, SECCOMP_ALLOW]])
    end
    others = OPENS_OF_OTHER_FORMS.values.map { |numbers| numbers[machine] }.compact
    opens + others.flat_map { |number| on_call(number, [[RETURN, 0, 0, SECCOMP_EPERM]]) }
  end

  def system_call_filter(machine, further)
    refused = REFUSED_CALLS.values.map { |numbers| numbers[machine] }.compact
    itself = argument_word(0, 0, [IF_EQUAL, 1, 0, Process.pid], SECCOMP_EPERM)
    thread = argument_word(0, 0, [IF_ANY_BIT, 1, 0, CLONE_THREAD], SECCOMP_EPERM)
    # Limits may be read, not set: the pointer to new ones is null.
    reading = argument_word(2, 0, [IF_EQUAL, 1, 0, 0], SECCOMP_EPERM) + argument_word(2, 4, [IF_EQUAL, 1, 0, 0], SECCOMP_EPERM)
    [
      [LOAD, 0, 0, ARCHITECTURE_AT], [IF_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]], [RETURN, 0, 0, SECCOMP_KILL],
      [LOAD, 0, 0, CALL_NUMBER_AT], [IF_AT_LEAST, 0, 1, X32_CALLS_FROM], [RETURN, 0, 0, SECCOMP_EPERM],
      *refused.flat_map { |number| on_call(number, [[RETURN, 0, 0, SECCOMP_EPERM]]) },
      *further,
      *on_call(CALLS[:clone3][machine], [[RETURN, 0, 0, SECCOMP_ENOSYS]]),
      *{ clone: thread, kill: itself, tgkill: itself, prlimit64: reading }.flat_map do |name, checks|
        on_call(CALLS[name][machine], checks + [[RETURN, 0, 0, SECCOMP_ALLOW]])
      end,
      [RETURN, 0, 0, SECCOMP_ALLOW]
    ]
  end

  # Does `instructions` on one call, and goes past them on any other.
  def on_call(number, instructions)
    [[IF_EQUAL, 0, instructions.size, number], *instructions]
  end

  # Loads half of an argument, and returns `otherwise` where `test` doesn't go past that.
  def argument_word(index, half, test, otherwise)
    [[LOAD, 0, 0, 16 + 8 * index + half], test, [RETURN, 0, 0, otherwise]]
  end
end

# A hash whose keys are strings, though symbols are taken too, as chef's is.
class Mash < Hash
  def self.from_value(value)
    case value
    when Mash then value
    when Hash then new.update(value)
    when Array then value.map { |each| from_value(each) }
    else value
    end
  end

  def []=(key, value)
    super(string_key(key), Mash.from_value(value))
  end
  alias store []=

  def [](key)
    super(string_key(key))
  end

  def fetch(key, *default, &block)
    super(string_key(key), *default, &block)
  end

  def key?(key)
    super(string_key(key))
  end
  alias has_key? key?
  alias include? key?
  alias member? key?

  def dig(key, *rest)
    super(string_key(key), *rest)
  end

  def values_at(*keys)
    super(*keys.map { |key| string_key(key) })
  end

  def delete(key, &block)
    super(string_key(key), &block)
  end

  def update(*others)
    others.each do |other|
      other.to_hash.each do |key, value|
        self[key] = block_given? && key?(key) ? yield(string_key(key), self[key], value) : value
      end
    end
    self
  end
  alias merge! update

  def merge(*others, &block)
    dup.update(*others, &block)
  end

  def replace(other)
    entries = other.to_hash.to_a
    clear
    entries.each { |key, value| self[key] = value }
    self
  end

  private

  def string_key(key)
    key.is_a?(Symbol) ? key.to_s : key
  end
end

# Chef's node, which a file may ask for anything: nothing that it sets there reaches packagecloud_rails.
class SilentNode < BasicObject
  def [](*)
    self
  end

  def []=(_key, value)
    value
  end

  def to_s
    "node"
  end
  alias to_str to_s

  def respond_to_missing?(*)
    true
  end

  def method_missing(*)
    self
  end
end

# What packagecloud.rb is evaluated in: a name is a Mash that springs up, a name with a value sets it.
class ConfigContext
  def initialize
    @settings = {}
    @node = SilentNode.new
  end

  attr_reader :node

  # Returns what the file's last statement comes to; a `return` in the file ends here.
  def from_file(path)
    instance_eval(IO.read(path), path.to_s, 1)
  end

  def [](name)
    method_missing(name.to_sym)
  end

  def []=(name, value)
    @settings[name.to_s] = Mash.from_value(value)
  end

  def respond_to_missing?(name, *)
    !name.to_s.start_with?("to_")
  end

  def method_missing(name, *arguments)
    return super if name.to_s.start_with?("to_")
    if name.to_s.end_with?("=")
      self[name.to_s.chomp("=")] = arguments.first
    elsif arguments.empty?
      @settings[name.to_s] ||= Mash.new
    else
      self[name] = arguments.size == 1 ? arguments.first : arguments
    end
  end

  # Returns packagecloud_rails as JSON can hold it: what is neither text, a number nor a truth is left out.
  def plain_rails_values
    rails = @settings["packagecloud_rails"]
    return {} unless rails.is_a?(Hash)
    rails.each_with_object({}) do |(key, value), plain|
      case value
      when true, false, nil, Integer then plain[utf8_text(key)] = value
      when String, Symbol, Float then plain[utf8_text(key)] = utf8_text(value)
      end
    end
  end

  private

  def utf8_text(value)
    String.new(value.to_s).force_encoding("UTF-8").scrub
  end
end

# Returns an exception as one line that names its place in the file.
def describe_exception(error)
  message = String.new(error.message.to_s).force_encoding("UTF-8").scrub.lines.first.to_s.strip[0, 500]
  place = error.backtrace.to_a.find { |line| !line.start_with?("-e:", "<internal:") }.to_s[/\A.+?:\d+/]
  at = place && !message.start_with?(place) ? "#{place}: " : ""
  "#{error.class}: #{at}#{message}"
end

# The name by which other files reach the settings, as in the package.
Packagecloud = ConfigContext.new

result = STDOUT.dup
result.sync = true
STDOUT.reopen(STDERR)
STDOUT.sync = true
if (open = SelfConfinement.confine_this_process(ARGV.delete_at(1) == "namespaces"))
  result.puts(JSON.generate("not_shut_in" => open))
  exit!(0)
end
result.puts(JSON.generate("shut_in" => RUBY_VERSION))
begin
  begin
    Packagecloud.from_file(ARGV.fetch(0))
  rescue SystemExit => error
    # `exit` ends the file, and what it set so far counts; `abort` ends the reconfigure.
    raise unless error.success?
  end
  result.puts(JSON.generate("values" => Packagecloud.plain_rails_values))
rescue Exception => error
  result.puts(JSON.generate("raised" => describe_exception(error)))
end
exit!(0)
