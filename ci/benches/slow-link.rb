# Usage: ruby ci/benches/slow-link.rb HOST:PORT
#
# A line of 100 Mbit/s that delays each direction by 25 ms, so that an answer comes 50 ms after its question: forwards connections to HOST:PORT, and prints
# its own address. It stands for netem, which many kernels of virtual machines lack.
require "socket"

BYTES_A_SECOND = 100_000_000 / 8
DELAY = 0.025

# One direction of the line, which all connections share.
class Direction
  def initialize
    @lock = Mutex.new
    @free = now
  end

  def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

  # When so many bytes that are sent now have arrived.
  def arrival(bytes)
    @lock.synchronize { @free = [@free, now].max + bytes.to_f / BYTES_A_SECOND } + DELAY
  end

  def carry(from, to)
    on_the_way = SizedQueue.new(64)
    arriving = Thread.new do
      while (bytes, time = on_the_way.pop)
        wait = time - now
        sleep(wait) if wait > 0
        to.write(bytes)
      end
      to.close_write
    rescue SystemCallError, IOError
      from.close
    end
    loop do
      bytes = from.readpartial(65_536)
      on_the_way << [bytes, arrival(bytes.bytesize)]
    end
  rescue SystemCallError, IOError
    on_the_way << nil
    arriving.join
  end
end

host, port = ARGV.fetch(0).split(":")
there, back = Direction.new, Direction.new
server = TCPServer.new("127.0.0.1", 0)
puts "127.0.0.1:#{server.addr[1]}"
$stdout.flush
loop do
  client = server.accept
  Thread.new do
    upstream = TCPSocket.new(host, port.to_i)
    [client, upstream].each { |socket| socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1) }
    sending = Thread.new { there.carry(client, upstream) }
    back.carry(upstream, client)
    sending.join
  ensure
    client.close
    upstream&.close
  end
end
