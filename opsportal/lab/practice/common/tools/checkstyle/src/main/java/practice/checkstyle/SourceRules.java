// Practice Cloud: a small orchestrator to practise releases on.
package practice.checkstyle;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** The rules every Java file of the tree keeps: its first line, no tabs, no blanks at line ends, 160 columns. */
public final class SourceRules {
    private static final String FIRST = "// Practice Cloud: a small orchestrator to practise releases on.";

    private SourceRules() {
    }

    /** What is wrong in the Java files under the folder, one line each. */
    public static List<String> violations(Path folder) {
        List<String> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(folder)) {
            files.filter(file -> file.toString().endsWith(".java")).sorted().forEach(file -> check(file, found));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return found;
    }

    private static void check(Path file, List<String> found) {
        List<String> lines = read(file);
        if (lines.isEmpty() || !lines.get(0).equals(FIRST)) {
            found.add(file + ": the first line does not name the project");
        }
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.indexOf('\t') >= 0 || line.endsWith(" ") || line.length() > 160) {
                found.add(file + ":" + (i + 1) + ": tab, blank at the end, or more than 160 columns");
            }
        }
    }

    private static List<String> read(Path file) {
        try {
            return Files.readAllLines(file, StandardCharsets.UTF_8);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
