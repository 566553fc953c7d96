# frozen_string_literal: true

require 'socket'

# An HTTP server on the loopback for tests of scripts that fetch. It answers each path with the bytes that it has for it, as its
# behaviours, one a request, say: :whole, :cut (half of the body, then the connection ends), :stall (half, then nothing), or a status.
class Loopback
  attr_reader :requests

  def initialize(files)
    @files = files
    @requests = Queue.new
    @behaviours = Queue.new
    @always = :whole
    @server = TCPServer.new('127.0.0.1', 0)
    @threads = []
    @accepting = Thread.new { loop { serve(@server.accept) } }
  end

  def url = "http://127.0.0.1:#{@server.addr[1]}"

  # What the next requests meet, and then all that follow.
  def behave(*next_ones, always: :whole)
    @behaviours.clear
    next_ones.each { |behaviour| @behaviours << behaviour }
    @always = always
  end

  def stop
    @accepting.kill
    @threads.each(&:kill)
    @server.close
  end

  private

  def serve(client)
    @threads << Thread.new do
      answer(client)
    rescue SystemCallError
      nil # the client went away, which is its own affair
    ensure
      client.close
    end
  end

  def answer(client)
    path = client.gets.split[1]
    nil until client.gets.strip.empty?
    behaviour = @behaviours.empty? ? @always : @behaviours.pop
    body = @files[path]
    behaviour = 404 if body.nil? && !behaviour.is_a?(Integer)
    @requests << path
    return client.write("HTTP/1.1 #{behaviour} no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") if behaviour.is_a?(Integer)

    client.write("HTTP/1.1 200 OK\r\nContent-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n")
    client.write(behaviour == :whole ? body : body.byteslice(0, body.bytesize / 2))
    sleep if behaviour == :stall
  end
end
