//! packagecloud.rb as people write it: every way to switch CloudFront on that Ruby knows, and what stands around it.
//!
//! Each is held to real Ruby before and after switching off, on, and back. `@DIR@` is where the files lie that are read in.

/// The head that each of them has.
pub const CONFIG_HEAD: &str = "external_url 'https://packages.example.com'
packagecloud_rails['aws_s3_bucket'] = 'shop'
packagecloud_rails['aws_secret_key'] = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
";

/// Three of the four values, plainly.
pub const PLAIN_VALUES: &str =
    "packagecloud_rails['cloudfront_secret'] = 'MDI2ZDhhYmMxYThiMjVmMTBlODM4OWNmZWZiZmI2NWI='
packagecloud_rails['cloudfront_distribution_id'] = 'E1'
packagecloud_rails['cloudfront_packages_domain'] = 'd1.cloudfront.net'
";

/// What lies in the directory of the files that are read in.
pub const FILES_READ_IN: [(&str, &str); 4] = [
    ("local.rb", "packagecloud_rails['cloudfront_enabled'] = true\nnginx['local'] = 1\n"),
    ("cdn.yml", "cloudfront_enabled: true\nsite: yaml\n"),
    ("cdn.json", "{\"cloudfront_enabled\": true, \"site\": \"json\"}\n"),
    ("conf.d.rb", "packagecloud_rails['cloudfront_enabled'] = true\n"),
];

/// What follows the head and the three values, and switches on, on a web host at least.
pub const ENABLING_FORMS: &[&str] = &[
    // Plain lines.
    "packagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails[\"cloudfront_enabled\"]=true # why\nnginx['x'] = 1\n",
    "packagecloud_rails[ %q(cloudfront_enabled) ] =\n  true\n",
    "packagecloud_rails['cloudfront_enabled'] = 'true'",
    "packagecloud_rails['cloudfront_enabled'] = false\npackagecloud_rails['cloudfront_enabled'] = true; a = 1\n",
    "packagecloud_rails[:cloudfront_enabled] = true\n",
    "packagecloud_rails[:'cloudfront_enabled'] = true\n",
    "packagecloud_rails[:\"cloudfront_enabled\"] = true\n",
    "packagecloud_rails[%s(cloudfront_enabled)] = true\n",
    "self.packagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails['cloudfront_enabled'] = true\n__END__\npackagecloud_rails['cloudfront_enabled'] = 1\n",
    "packagecloud_rails['cloudfront_enabled'] = true\r\nnginx['x'] = 1\r\n",
    "packagecloud_rails['cloudfront_enabled'] = true;",
    // What comes of running something.
    "packagecloud_rails['cloudfront_enabled'] = ENV['PC_ROLE'] == 'web'\n",
    "packagecloud_rails['cloudfront_enabled'] = ENV.fetch('NOWHERE', 'true') == 'true'\n",
    "packagecloud_rails['cloudfront_enabled'] = File.exist?('@DIR@/local.rb')\n",
    "packagecloud_rails['cloudfront_enabled'] = !!1\n",
    "packagecloud_rails['cloudfront_enabled'] = true if 1 < 2\n",
    "packagecloud_rails['cloudfront_enabled'] ||= true\n",
    "packagecloud_rails['cloudfront_enabled'] = packagecloud_rails['cdn'] = true\n",
    "packagecloud_rails['a'], packagecloud_rails['cloudfront_enabled'] = 1, true\n",
    "begin\n  packagecloud_rails['cloudfront_enabled'] = true\nend\n",
    "case 1\nwhen 1\n  packagecloud_rails['cloudfront_enabled'] = true\nend\n",
    "1 < 2 and packagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails['cloudfront_enabled'] = Integer('x') rescue packagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails[\"cloudfront_#{'enabled'}\"] = true\n",
    "packagecloud_rails['cloudfront_' + 'enabled'] = true\n",
    "packagecloud_rails[\"\\x63loudfront_enabled\"] = true\n",
    "%w[enabled].each { |k| packagecloud_rails[\"cloudfront_#{k}\"] = true }\n",
    "for k in %w[cloudfront_enabled] do packagecloud_rails[k] = true end\n",
    "{ 'cloudfront_enabled' => true }.each { |k, v| packagecloud_rails[k] = v }\n",
    // The hash as a whole.
    "packagecloud_rails.merge!('cloudfront_enabled' => true)\n",
    "packagecloud_rails.merge!(cloudfront_enabled: true, 'site' => 'x')\n",
    "packagecloud_rails.update({ 'cloudfront_enabled' => true })\n",
    "cdn = { 'cloudfront_enabled' => true }\npackagecloud_rails.merge!(cdn)\n",
    "packagecloud_rails.store('cloudfront_enabled', true)\n",
    "packagecloud_rails.store(:cloudfront_enabled, true)\n",
    "packagecloud_rails.replace(packagecloud_rails.to_h.merge('cloudfront_enabled' => true))\n",
    "packagecloud_rails.tap do |c|\n  c['cloudfront_enabled'] = true\nend\n",
    "packagecloud_rails.send(:[]=, 'cloudfront_enabled', true)\n",
    "packagecloud_rails.public_send('store', 'cloudfront_enabled', true)\n",
    "packagecloud_rails.instance_eval { self['cloudfront_enabled'] = true }\n",
    "packagecloud_rails('aws_s3_bucket' => 'shop', 'cloudfront_enabled' => true)\n",
    "self.packagecloud_rails = { 'cloudfront_enabled' => true }\n",
    "self.packagecloud_rails = packagecloud_rails.merge('cloudfront_enabled' => true)\n",
    "packagecloud_rails = self.packagecloud_rails\npackagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails = { 'cloudfront_enabled' => true }\nself.packagecloud_rails.merge!(packagecloud_rails)\n",
    // Under another name.
    "rails = packagecloud_rails\nrails['cloudfront_enabled'] = true\n",
    "rails ||= packagecloud_rails\nrails.store('cloudfront_enabled', true)\n",
    "@rails = packagecloud_rails\n@rails['cloudfront_enabled'] = true\n",
    "$rails = packagecloud_rails\n$rails['cloudfront_enabled'] = true\n",
    "[packagecloud_rails].each { |h| h['cloudfront_enabled'] = true }\n",
    "send(:packagecloud_rails)['cloudfront_enabled'] = true\n",
    "self['packagecloud_rails']['cloudfront_enabled'] = true\n",
    "me = self\nme.packagecloud_rails['cloudfront_enabled'] = true\n",
    "on = -> { packagecloud_rails['cloudfront_enabled'] = true }\non.call\n",
    "on = ->(h) { h['cloudfront_enabled'] = true }\non.(packagecloud_rails)\n",
    "def switch_on = packagecloud_rails['cloudfront_enabled'] = true\nswitch_on\n",
    "def switch_on(h)\n  h['cloudfront_enabled'] = true\nend\nswitch_on(packagecloud_rails)\n",
    "method(:packagecloud_rails).call['cloudfront_enabled'] = true\n",
    // Other files.
    "from_file '@DIR@/local.rb'\n",
    "r = packagecloud_rails\nr = {} if r.nil?\npackagecloud_rails['cloudfront_enabled'] = false\nr['cloudfront_enabled'] = true\n",
    "a, r = 1, packagecloud_rails\npackagecloud_rails['cloudfront_enabled'] = false\nr['cloudfront_enabled'] = true\n",
    "def cdn; cdn_on; end\ndef cdn_on; packagecloud_rails['cloudfront_enabled'] = true; end\ncdn\n",
    "packagecloud_rails['cloudfront_enabled'] = true\nfrom_file '@DIR@/local.rb'\n",
    "eval File.read('@DIR@/local.rb')\n",
    "instance_eval(IO.read('@DIR@/local.rb'))\n",
    "packagecloud_rails.merge!(YAML.load_file('@DIR@/cdn.yml'))\n",
    "packagecloud_rails.merge!(JSON.parse(File.read('@DIR@/cdn.json')))\n",
    "YAML.load_file('@DIR@/cdn.yml').each { |k, v| packagecloud_rails[k] = v }\n",
    "Dir['@DIR@/conf.d*.rb'].sort.each { |f| from_file f }\n",
    "Dir.glob('@DIR@/conf.d*.rb') { |f| instance_eval File.read(f), f }\n",
    "eval \"packagecloud_rails['cloudfront_enabled'] = true\"\n",
    "binding.eval(\"packagecloud_rails['cloudfront_enabled'] = true\")\n",
    // Where the file may end.
    "packagecloud_rails['cloudfront_enabled'] = true\nreturn unless ENV['PC_ROLE'] == 'web'\nnginx['x'] = 1\n",
    "return unless ENV['PC_ROLE'] == 'web'\npackagecloud_rails['cloudfront_enabled'] = true\n",
    "from_file '@DIR@/local.rb'\nreturn if ENV['PC_ROLE'] == 'web'\nnginx['x'] = 1\n",
    "from_file '@DIR@/local.rb'\nexit if ENV['PC_ROLE'] == 'web'\nnginx['x'] = 1\n",
    "from_file '@DIR@/local.rb'; return if ENV['PC_ROLE'] == 'web'; nginx['x'] = 1\n",
    "from_file '@DIR@/local.rb'\nreturn\npackagecloud_rails['cloudfront_enabled'] = false\n",
    "from_file '@DIR@/local.rb'; return\nnginx['x'] = 1\n",
    "if ENV['PC_ROLE'] == 'web'\n  packagecloud_rails['cloudfront_enabled'] = true\n  return\nend\nnginx['x'] = 1\n",
    "if ENV['PC_ROLE'] == 'web' then from_file '@DIR@/local.rb'; return end\nnginx['x'] = 1\n",
    "%w[a b].each do |x|\n  packagecloud_rails['cloudfront_enabled'] = true\n  return if x == 'a' && ENV['PC_ROLE'] == 'web'\nend\n",
    "case ENV['PC_ROLE']\nwhen 'web'\n  packagecloud_rails.store('cloudfront_enabled', true)\n  return\nelse\n  nginx['y'] = 1\nend\nnginx['x'] = 1\n",
    "def leave = exit\npackagecloud_rails['cloudfront_enabled'] = true\nrails = packagecloud_rails\nleave if ENV['PC_ROLE'] == 'web'\nnginx['x'] = 1\n",
    "rails = packagecloud_rails\nrails['cloudfront_enabled'] = true\nabort 'no' if ENV['PC_ROLE'].nil?\nnginx['x'] = 1\n",
    // What only looks like it.
    "# packagecloud_rails['cloudfront_enabled'] = false\npackagecloud_rails['cloudfront_enabled'] = true\n=begin\nfrom_file 'x'\n=end\n",
    "packagecloud_rails['motd'] = <<~A + <<'B'\n  packagecloud_rails['cloudfront_enabled'] = false #{1 + 1}\nA\n__END__\nB\npackagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['motd'] =\n  <<~OUTER\n    one\n    #{\n      <<~INNER\n        two\n      INNER\n    }\n    three\n  OUTER\n",
    "packagecloud_rails['cloudfront_enabled'] = true\nnode.override['packagecloud']['rails']['cloudfront_enabled'] = false\n",
    "packagecloud_rails['cloudfront_enabled'] = true\npackagecloud_rails['theme']['cloudfront_enabled'] = 1 if packagecloud_rails['theme']\n",
    "eval ENV['NOWHERE'].to_s\npackagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails['cloudfront_enabled'] = true\nx = ?'; y = /'/; z = `true` # '\n",
    "packagecloud_rails.merge!('cloudfront_enabled' => true) \\\n",
    "BEGIN { packagecloud_rails['cloudfront_enabled'] = true }\n",
];

/// Pieces of which files are put together at random.
pub const RANDOM_PIECES: &[&str] = &[
    "packagecloud_rails['cloudfront_enabled'] = true\n",
    "packagecloud_rails['cloudfront_enabled'] = false\n",
    "packagecloud_rails[:cloudfront_enabled] = true\n",
    "packagecloud_rails['cloudfront_enabled'] = ENV['PC_ROLE'] == 'web'\n",
    "packagecloud_rails['cloudfront_secret'] = 'c2VjcmV0c2VjcmV0c2VjcmV0'\n",
    "packagecloud_rails['cloudfront_distribution_id'] = 'E2'; nginx['y'] = 2\n",
    "packagecloud_rails.merge!('cloudfront_enabled' => true, cloudfront_distribution_id: 'E3')\n",
    "from_file '@DIR@/local.rb'\n",
    "(rails ||= packagecloud_rails)['cloudfront_enabled'] = true\n",
    "rails = packagecloud_rails\n",
    "rails['cloudfront_enabled'] = true if (rails ||= nil)\n",
    "packagecloud_rails.tap { |c| c[:cloudfront_enabled] = true }\n",
    "return if ENV['PC_ROLE'] == 'web'\n",
    "return unless ENV['PC_ROLE'] == 'web'\n",
    "exit if ENV['PC_ROLE'].nil? && nginx['never']\n",
    "if ENV['PC_ROLE'] == 'web'\n  packagecloud_rails['cloudfront_enabled'] = true\n  return if nginx['x']\nend\n",
    "nginx['x'] = 1; packagecloud_rails['site'] = \"a#{nginx['x']}\"\n",
    "nginx['hosts'] = %w[a b].map { |h| h.upcase }\n",
    "packagecloud_rails['motd'] = <<~T\n  cloudfront_enabled = true\nT\n",
    "# packagecloud_rails['cloudfront_enabled'] = true\n",
    "=begin\npackagecloud_rails['cloudfront_enabled'] = true\n=end\n",
    "%w[cloudfront_enabled].each { |k| packagecloud_rails[k] = true }\n",
    "def later = packagecloud_rails['cloudfront_enabled'] = true\n",
    "later if respond_to?(:later, true) && nginx['x']\n",
    "packagecloud_rails.delete('cloudfront_enabled')\n",
    "packagecloud_rails['cloudfront_enabled'] = nil; z = 1\n",
];
