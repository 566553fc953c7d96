# Renders ERB templates with the context that a BOSH Director gives them.
#
# Reads {"context": {…}, "templates": [{"name", "source"}, …]} from standard input and answers on standard output with
# {"outputs": […], "errors": [{"name", "line", "class", "message"}, …]}.

# What a template prints goes to standard error: standard output is for the answer.
answer = $stdout.dup
$stdout.reopen($stderr)

require 'erb'
require 'json'
require 'ostruct'
require 'shellwords'
require 'time'
require 'yaml'

# A Director has loaded these too, and templates use them without asking.
{
  Base64: 'base64', CGI: 'cgi', Date: 'date', DateTime: 'date', Digest: 'digest', FileUtils: 'fileutils', IPAddr: 'ipaddr',
  Open3: 'open3', OpenSSL: 'openssl', Pathname: 'pathname', Resolv: 'resolv', SecureRandom: 'securerandom', Set: 'set',
  Socket: 'socket', StringIO: 'stringio', Tempfile: 'tempfile', URI: 'uri', Zlib: 'zlib'
}.each { |name, library| Object.autoload(name, library) unless Object.const_defined?(name) }

# ActiveSupport's `blank?`, `present?` and `presence`, which a Director loads for templates.
class Object
  def blank?
    respond_to?(:empty?) ? !!empty? : !self
  end

  def present?
    !blank?
  end

  def presence
    self if present?
  end
end

class String
  def blank?
    match?(/\A[[:space:]]*\z/)
  end
end

class Numeric
  def blank?
    false
  end
end

module Bosh
  module Common
    module Template
      class EvaluationFailed < StandardError; end
      class InvalidPropertyType < StandardError; end

      class UnknownProperty < StandardError
        attr_reader :name

        def initialize(name)
          @name = name
          super("Can't find property '#{name}'")
        end
      end

      class UnknownLink < StandardError
        def initialize(name)
          super("Can't find link '#{name}'")
        end
      end

      # Finds what a dotted name means in nested hashes; nil is the same as absent.
      module PropertyHelper
        def lookup_property(collection, name)
          return nil if collection.nil?

          name.split('.').inject(collection) do |found, key|
            value = found[key]
            return nil if value.nil?

            value
          end
        end

        private

        def first_set(collection, args)
          names = Array(args[0])
          names.each do |name|
            value = lookup_property(collection, name)
            return value unless value.nil?
          end
          return args[1] if args.length == 2

          raise UnknownProperty.new(names)
        end

        # The values of all names, or nil when one is not set.
        def all_set(collection, names)
          values = names.map { |name| lookup_property(collection, name) }
          values unless values.any?(&:nil?)
        end
      end

      # What `if_p` and `if_link` give: it takes `.else do … end` and runs the block, or not.
      class ActiveElseBlock
        def initialize(context)
          @context = context
        end

        def else
          yield
        end

        def else_if_p(*names, &block)
          @context.if_p(*names, &block)
        end

        def else_if_link(name, &block)
          @context.if_link(name, &block)
        end
      end

      class InactiveElseBlock
        def else; end

        def else_if_p(*_names)
          InactiveElseBlock.new
        end

        def else_if_link(_name)
          InactiveElseBlock.new
        end
      end

      # `p` and `if_p` over the properties that `property_source` gives.
      module PropertyLookup
        include PropertyHelper

        def p(*args)
          first_set(property_source, args)
        end

        def if_p(*names)
          values = all_set(property_source, names)
          return ActiveElseBlock.new(self) if values.nil?

          yield(*values)
          InactiveElseBlock.new
        end

        # Ruby puts this into messages: nothing of the properties may be in it.
        def inspect
          "#<#{self.class}>"
        end
      end

      class ManualLinkDnsEncoder
        def initialize(address)
          @address = address
        end

        def encode_query(*_criteria)
          @address
        end
      end

      class EvaluationLinkInstance
        include PropertyLookup

        attr_reader :name, :index, :id, :az, :address, :properties, :bootstrap

        def initialize(spec)
          @name, @index, @id, @az, @address, @properties, @bootstrap =
            spec.values_at('name', 'index', 'id', 'az', 'address', 'properties', 'bootstrap')
        end

        private

        def property_source
          @properties
        end
      end

      class EvaluationLink
        include PropertyLookup

        attr_reader :instances, :properties

        def initialize(spec)
          @instances = spec['instances'].map { |instance| EvaluationLinkInstance.new(instance) }
          @properties = spec['properties']
          @dns_encoder = ManualLinkDnsEncoder.new(spec['address']) if spec.key?('address')
        end

        def address(_criteria = {})
          raise NotImplementedError, 'link.address requires bosh director' if @dns_encoder.nil?

          @dns_encoder.encode_query
        end

        private

        def property_source
          @properties
        end
      end

      class EvaluationContext
        include PropertyLookup

        # Lists the keys of the spec, as templates of old expect of `spec.networks.methods(false)`.
        class BackCompatOpenStruct < OpenStruct
          def methods(regular = true)
            regular ? super(regular) : to_h.keys
          end
        end

        attr_reader :name, :index, :properties, :raw_properties, :spec

        def initialize(spec)
          unless spec.is_a?(Hash)
            raise EvaluationFailed,
                  "Invalid spec provided for template evaluation context, Hash expected, #{spec.class} given"
          end

          @name = spec['name']
          @index = spec['index']
          @spec = openstruct(spec, BackCompatOpenStruct)
          @raw_properties = spec['properties'] || {}
          @properties = openstruct(@raw_properties, OpenStruct)
          @links = spec['links'] || {}
        end

        def get_binding
          binding
        end

        def link(name)
          found = link_spec(name)
          raise UnknownLink.new(name) if found.nil?

          EvaluationLink.new(found)
        end

        def if_link(name)
          found = link_spec(name)
          return ActiveElseBlock.new(self) if found.nil?

          yield EvaluationLink.new(found)
          InactiveElseBlock.new
        end

        private

        def property_source
          @raw_properties
        end

        def link_spec(name)
          found = lookup_property(@links, name)
          found unless found.nil? || !found.has_key?('instances')
        end

        def openstruct(object, type)
          case object
          when Hash then type.new(object.transform_values { |value| openstruct(value, type) })
          when Array then object.map { |item| openstruct(item, type) }
          else object
          end
        end
      end
    end
  end
end

# Where in the template an error comes from; a syntax error says it in its message alone.
def template_line(error, name)
  place = (error.backtrace || []).find { |line| line.include?("#{name}:") }
  place ||= error.message
  place[/#{Regexp.escape(name)}:(\d+)/, 1]&.to_i
end

def render(template, context)
  erb = ERB.new(template['source'], trim_mode: '-')
  erb.filename = template['name']
  output = erb.result(context.get_binding).dup.force_encoding(Encoding::UTF_8)
  raise EncodingError, 'the output is not UTF-8' unless output.valid_encoding?

  output
end

# The message, without the value that a method was called on: Ruby prints it, and it may be a secret.
def message_of(error)
  message = error.message.dup.force_encoding(Encoding::UTF_8).scrub
  return message unless error.is_a?(NameError)

  receiver = error.receiver
  case receiver
  when Hash, Array, String, OpenStruct, Bosh::Common::Template::PropertyLookup
    message.sub(receiver.inspect) { "#<#{receiver.class}>" }
  else
    message
  end
rescue ArgumentError # The error has no receiver.
  message
end

question = $stdin.read
outputs = []
errors = []
templates = JSON.parse(question, max_nesting: false)['templates']
templates.each do |template|
  begin
    # Parsed again each time, so that no template sees what another did to its properties.
    spec = JSON.parse(question, max_nesting: false)['context']
    outputs << render(template, Bosh::Common::Template::EvaluationContext.new(spec))
  rescue Exception => error # A template may raise anything, SyntaxError and SystemExit among it.
    name = template['name']
    message = message_of(error)
    errors << { 'name' => name, 'line' => template_line(error, name), 'class' => error.class.name, 'message' => message }
  end
end
answer.write(JSON.generate({ 'outputs' => outputs, 'errors' => errors }))
answer.close
