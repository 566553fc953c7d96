# frozen_string_literal: true

require 'yaml'

# Reads a Concourse pipeline and its tasks as Concourse would, without one, and says what it would refuse or miss. Keys and steps are those
# of https://concourse-ci.org/docs/; a step that this release does not use counts as unknown.
class Pipeline
  # What Concourse brings by itself; any other type would need an entry in resource_types.
  TYPES = %w[bosh-io-release bosh-io-stemcell git github-release hg pool registry-image s3 semver time].freeze
  HOOKS = %w[on_success on_failure on_error on_abort ensure].freeze
  STEP = %w[timeout attempts tags] + HOOKS
  STEPS = {
    'get' => %w[resource passed params trigger version],
    'put' => %w[resource inputs params get_params no_get],
    'task' => %w[file privileged vars params input_mapping output_mapping container_limits],
    'in_parallel' => [],
    'do' => []
  }.freeze
  KEYS = {
    'pipeline' => %w[resources jobs groups display],
    'resource' => %w[name type source icon version check_every check_timeout tags public webhook_token],
    'job' => %w[name plan serial serial_groups max_in_flight build_log_retention public disable_manual_trigger interruptible] + HOOKS,
    'task' => %w[platform image_resource params run inputs outputs caches container_limits],
    'image_resource' => %w[type source params version],
    'run' => %w[path args dir user],
    'artifact' => %w[name path optional],
    'cache' => %w[path]
  }.freeze

  attr_reader :document

  # `repository` is where the files of the artifact `containers` lie.
  def initialize(text, repository)
    @text = text
    @document = YAML.safe_load(text, aliases: true)
    @repository = repository
  end

  def variables = @text.gsub(/^\s*#.*/, '').scan(/\(\(([^)]+)\)\)/).flatten.uniq

  # Files of the tasks that the pipeline runs.
  def task_files = jobs.flat_map { |job| steps(job['plan']) }.filter_map { |step| step['file'] if step['task'] }.uniq

  def findings
    @findings = []
    keys(@document, 'pipeline', 'the pipeline')
    check_resources
    jobs.each { |job| check_job(job) }
    check_order
    @findings
  end

  private

  def find(text) = @findings << text
  def jobs = @document['jobs']
  def resources = @document['resources']

  def keys(map, kind, where)
    (map.keys - KEYS.fetch(kind)).each { |key| find("#{where}: unknown key #{key}") }
  end

  # All steps of a plan, in their order, those that hold others left out.
  def steps(plan)
    plan.flat_map do |step|
      inner = step['in_parallel'] || step['do']
      inner = inner['steps'] if inner.is_a?(Hash)
      inner ? steps(inner) : [step]
    end
  end

  # Names of the resources that a job gets or puts.
  def touched(job) = steps(job['plan']).filter_map { |step| step['resource'] || step['get'] || step['put'] }

  def check_resources
    [['resource', resources], ['job', jobs]].each do |kind, all|
      all.map { |one| one['name'] }.tally.each { |name, count| find("#{kind} #{name} stands there #{count} times") if count > 1 }
    end
    used = jobs.flat_map { |job| touched(job) }
    resources.each do |resource|
      where = "resource #{resource['name']}"
      keys(resource, 'resource', where)
      find("#{where}: unknown type #{resource['type']}") unless TYPES.include?(resource['type'])
      find("#{where}: no source") unless resource['source'].is_a?(Hash)
      find("#{where}: no job uses it") unless used.include?(resource['name'])
    end
  end

  def check_job(job)
    where = "job #{job['name']}"
    keys(job, 'job', where)
    artifacts = []
    steps(job['plan']).each { |step| check_step(step, where, artifacts) }
  end

  def check_step(step, job, artifacts)
    kind = STEPS.keys.find { |known| step.key?(known) }
    return find("#{job}: unknown step #{step.keys.first}") unless kind

    where = "#{job}, #{kind} #{step[kind]}"
    (step.keys - [kind] - STEPS[kind] - STEP).each { |key| find("#{where}: unknown key #{key}") }
    if kind == 'task'
      check_task(step, where, artifacts)
    else
      check_resource_step(step, kind, where, artifacts)
    end
  end

  def check_resource_step(step, kind, where, artifacts)
    name = step['resource'] || step[kind]
    find("#{where}: no such resource") unless resources.any? { |resource| resource['name'] == name }
    Array(step['passed']).each do |other|
      job = jobs.find { |candidate| candidate['name'] == other }
      find("#{where}: passed names the job #{other}, which #{job ? "does not use #{name}" : 'is not there'}") unless job && touched(job).include?(name)
    end
    if kind == 'put'
      paths = step.fetch('params', {}).values_at('file', 'repository', 'tag', 'annotate').compact
      paths.each { |path| find("#{where}: nothing before it makes #{path}") unless artifacts.include?(path[%r{\A[^/]+}]) }
    end
    artifacts << step[kind]
  end

  def check_task(step, where, artifacts)
    source, path = step['file'].to_s.split('/', 2)
    find("#{where}: nothing before it brings #{source}, where its file is") unless artifacts.include?(source) || step.fetch('input_mapping', {}).key?(source)
    return find("#{where}: #{step['file']} is not there") unless path && File.file?("#{@repository}/#{path}")

    task = YAML.safe_load_file("#{@repository}/#{path}", aliases: true)
    check_task_file(task, path)
    inputs = Array(task['inputs']).reject { |input| input['optional'] }.map { |input| input['name'] }
    mapping = step.fetch('input_mapping', {})
    (mapping.keys - inputs).each { |input| find("#{where}: #{path} has no input #{input}") }
    inputs.map { |input| mapping.fetch(input, input) }.each { |input| find("#{where}: nothing before it brings its input #{input}") unless artifacts.include?(input) }
    outputs = Array(task['outputs']).map { |output| output['name'] }
    artifacts.concat(outputs.map { |output| step.fetch('output_mapping', {}).fetch(output, output) })
    params = task.fetch('params', {})
    given = step.fetch('params', {})
    (given.keys - params.keys).each { |param| find("#{where}: #{path} has no param #{param}") }
    (params.select { |_, value| value.nil? }.keys - given.keys).each { |param| find("#{where}: param #{param} is not set") }
  end

  def check_task_file(task, path)
    keys(task, 'task', path)
    find("#{path}: platform is not linux") unless task['platform'] == 'linux'
    image = task['image_resource'] || {}
    keys(image, 'image_resource', path)
    find("#{path}: no image") unless TYPES.include?(image['type']) && image.dig('source', 'repository')
    %w[inputs outputs].each { |kind| Array(task[kind]).each { |one| keys(one, 'artifact', "#{path}, #{kind}") } }
    Array(task['caches']).each { |one| keys(one, 'cache', "#{path}, caches") }
    run = task['run'] || {}
    keys(run, 'run', "#{path}, run")
    check_script(task, run['path'].to_s, path)
  end

  def check_script(task, run, path)
    source, script = run.split('/', 2)
    find("#{path}: #{source} is no input") unless Array(task['inputs']).any? { |input| input['name'] == source }
    script = "#{@repository}/#{script}"
    return find("#{path}: #{run} is not there, or cannot be executed") unless File.file?(script) && File.executable?(script)

    text = File.read(script)
    Array(task['inputs']).each { |input| find("#{path}: #{run} does not use the input #{input['name']}") unless text.include?(input['name']) }
    task.fetch('params', {}).each_key { |param| find("#{path}: #{run} does not use the param #{param}") unless text.include?(param) }
    set = text.scan(/\b([A-Z][A-Z_]+)=/).flatten + task.fetch('params', {}).keys + %w[PWD]
    (text.scan(/\$\{?([A-Z][A-Z_]+)/).flatten.uniq - set).each { |name| find("#{path}: #{run} wants #{name}, which is no param") }
  end

  # A job that waits for itself, over others, would never run.
  def check_order
    after = jobs.to_h { |job| [job['name'], steps(job['plan']).flat_map { |step| Array(step['passed']) }.uniq] }
    after.each_key do |name|
      seen = []
      queue = after[name].dup
      until queue.empty?
        other = queue.shift
        next if seen.include?(other)

        seen << other
        queue.concat(after.fetch(other, []))
      end
      find("job #{name} waits for itself") if seen.include?(name)
    end
  end
end
