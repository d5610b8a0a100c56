#!/bin/bash
# Reports every record that the code generator looked at: 200,000 lines.
# Some hold what no report should: colours, markup, control sequences and bytes that are no text.

exec perl -e '
  binmode STDOUT;
  my @odd = (
    "\e[31mred\e[0m \e[1;32mgreen\e[0m \e[38;5;208morange\e[0m",
    "<script>alert(\"practice\")</script><b>bold?</b><img src=x onerror=alert(1)>",
    "\e]0;a title for your terminal\a\e[2J\e[H\e[5;5Hmoved",
    "\x00\x01\x02\xff\xfe\x80 bytes that are no text \xc3\x28",
    "10%\r 50%\r100%",
    "\xe2\x80\xaetxet desrever\xe2\x80\xac &amp; &lt;entities&gt;",
  );
  for my $n (1 .. 199_999) {
    my $rest = $n % 1000 ? "nothing to do" : $odd[$n / 1000 % @odd];
    printf "record %06d of 200000: %s\n", $n, $rest;
  }
  print "record 200000 of 200000: the last one\n";
'
