# /etc/packagecloud/packagecloud.rb of the sandbox
#
# The configuration of packagecloud:enterprise. After a change, run:
#
#   packagecloud-ctl reconfigure
#   packagecloud-ctl restart

external_url 'https://packagecloud.sandbox'

packagecloud_rails['site_name'] = "packagecloud sandbox"
packagecloud_rails['support_email'] = 'packages@example.com'

# Storage. The key pair is the one of AWS's own examples.
packagecloud_rails['aws_access_key'] = 'AKIAIOSFODNN7EXAMPLE'
packagecloud_rails['aws_secret_key'] = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
packagecloud_rails['aws_s3_bucket'] = 'BUCKET'
packagecloud_rails['aws_region'] = 'us-east-1'

# Not yet:
# packagecloud_rails['cloudfront_enabled'] = true

packagecloud_rails['motd'] = <<~'TEXT'
  This is a sandbox: nothing here reaches AWS.
  # and this line is no comment
TEXT

unicorn['worker_processes'] = 4
nginx['redirect_http_to_https'] = true

backups['enable'] = true
backups['s3_bucket'] = 'sandbox-backups-999999999999'
