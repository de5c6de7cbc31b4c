# Evaluates packagecloud.rb files as an omnibus package does: each name at the top is a hash that springs up, whose keys
# are the same as symbols and as texts. Prints for each file what comes of it on a host without a role and on a web host.
#
# usage: ruby omnibus.rb FILE…
require 'json'
require 'yaml'

# A hash to which :key and 'key' are one.
class Mash < Hash
  def initialize(from = {})
    super()
    merge!(from)
  end

  def plain(key) = key.is_a?(Symbol) ? key.to_s : key
  alias put []=
  alias take []
  def []=(key, value)
    put(plain(key), value)
  end

  def [](key) = take(plain(key))
  def store(key, value) = put(plain(key), value)
  def fetch(key, *rest, &block) = super(plain(key), *rest, &block)
  def key?(key) = super(plain(key))
  def delete(key) = super(plain(key))

  def merge!(*others)
    others.each { |other| other.each { |key, value| self[key] = value } }
    self
  end

  def update(*others) = merge!(*others)

  def replace(other)
    clear
    merge!(other)
  end
end

# What chef calls node: it takes anything.
class AnyNode < BasicObject
  def method_missing(*) = self
  def respond_to_missing?(*) = true
  def to_s = 'node'
end

# The object in which the file is evaluated.
class Configuration
  attr_reader :settings

  def initialize = @settings = {}
  def node = @node ||= AnyNode.new
  def [](name) = setting(name.to_s)
  # A return in the file ends this method.
  def from_file(path)
    instance_eval(File.binread(path).force_encoding('UTF-8').delete_prefix("\uFEFF"), path, 1)
  end

  def respond_to_missing?(*) = true

  def method_missing(name, *values)
    name = name.to_s
    return keep(name.chomp('='), values.first) if name.end_with?('=')

    values.empty? ? setting(name) : keep(name, values.first)
  end

  private

  def setting(name) = @settings[name] ||= Mash.new
  def keep(name, value) = @settings[name] = value.instance_of?(Hash) ? Mash.new(value) : value
end

# Evaluates in a process of its own, so that no file is left with what another defined.
def evaluate(path, role)
  reading, writing = IO.pipe
  child = fork do
    reading.close
    ENV['PC_ROLE'] = role
    configuration = Configuration.new
    result =
      begin
        configuration.from_file(path)
        'whole'
      rescue SystemExit => error
        error.success? ? 'left' : 'failed'
      rescue Exception => error # rubocop:disable Lint/RescueException
        error.is_a?(SyntaxError) || error.is_a?(NameError) ? "broken: #{error.message}" : 'failed'
      end
    writing.write(JSON.generate([result, configuration.settings]))
    writing.close
    exit!(0)
  end
  writing.close
  text = reading.read
  reading.close
  Process.wait(child)
  JSON.parse(text)
end

puts JSON.generate(ARGV.map { |path| [nil, 'web'].map { |role| evaluate(path, role) } })
